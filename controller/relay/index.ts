/**
 * What a gateway embeds to follow RelayCore: it serves the route contract, keeps the last known weights in a
 * file, picks a target for each request and tries the next one when a target refuses.
 *
 * ```ts
 * const relay = createRelay({ routes, stateFile, token, telemetry: ml.gateway() });
 * app.use(relay.routes());                                // GET and PUT /api/v1/routes/{route}
 * app.use('/mail-filter', relay.forward('mail-filter'));
 * ```
 */

import type { Gateway } from '@neuroweaver/instrumentation';
import type { Router } from 'express';
import { createContract } from './contract.ts';
import { follow as followRoutes } from './follow.ts';
import { createForwarder, type ForwardOptions, type Handler } from './forward.ts';
import { parseOptions, type RelayOptions, type Route } from './options.ts';
import { pickTarget } from './pick.ts';
import type { RouteState } from './state.ts';
import { openStore } from './store.ts';

export { type Compare, type ComparedAnswer, equalJson, equalText } from './compare.ts';
export type { ForwardOptions, Handler } from './forward.ts';
export type {
  CapacityOptions,
  FollowOptions,
  FollowSource,
  OutlierOptions,
  RelayEvent,
  RelayOptions,
  RetryBudgetOptions,
  RouteOptions,
  ShadowOptions,
  TargetOptions,
} from './options.ts';
export type { RouteState } from './state.ts';

/** The target that one request should go to, and the generation of the weights that chose it. */
export interface Pick {
  readonly model: string;
  readonly version: string;
  readonly url: string;
  readonly generation: number;
}

export interface Relay {
  /** An Express router that serves the route contract at `/api/v1/routes/{route}`. */
  routes(): Router;
  /** A handler that forwards each request to a target. Mount it before any body parser. */
  forward(route: string, options?: ForwardOptions): Handler;
  /** A target by weight, for gateways that forward by themselves. The same `sticky` key keeps its target. */
  pick(route: string, options?: { readonly sticky?: string | undefined }): Pick;
  /** The route as it is now. */
  state(route: string): RouteState;
  /**
   * Refuses new requests (503), waits for those in flight, at most `deadlineMs` (10,000), then aborts them.
   * Safe to call twice.
   */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

/**
 * Starts a relay kit. Reads the state file at once and begins to follow; nothing else is opened until requests come.
 *
 * @throws Error that lists every problem of the options, or names the folder of `stateFile` if it cannot be made.
 */
export function createRelay(options: RelayOptions): Relay {
  const { routes, log, random, telemetry, stateFile, token, follow } = parseOptions(options);
  const store = openStore(routes, stateFile, log);
  const forwarder = createForwarder({ routes, store, telemetry, log, random });
  const following = follow && followRoutes(follow, { routes, store, log, random });
  let closing: Promise<void> | undefined;

  for (const route of routes.values()) declareTargets(route, telemetry);
  const stopObserving = telemetry.observeRoutes(() => store.states());

  function known(name: string) {
    const route = routes.get(name);
    if (route) return route;
    throw new Error(`relay: unknown route "${name}"; this gateway has: ${[...routes.keys()].join(', ')}`);
  }

  async function shutDown(deadlineMs: number) {
    await Promise.all([following?.close(), forwarder.close(deadlineMs)]);
    await store.settled();
    stopObserving();
    for (const route of routes.values()) for (const target of route.targets) target.agent.destroy();
  }

  return {
    routes: () => createContract({ routes, store, token }),
    forward: (name, forwardOptions = {}) => forwarder.handler(known(name), forwardOptions),
    pick(name, { sticky } = {}) {
      const route = known(name);
      const { weights, generation } = store.state(name);
      const { model, version, address } = pickTarget(route.targets, weights, random, sticky);
      return { model, version, url: address, generation };
    },
    state: name => store.state(known(name).name),
    close({ deadlineMs = 10_000 } = {}) {
      closing ??= shutDown(deadlineMs);
      return closing;
    },
  };
}

function declareTargets({ name, targets, shadow }: Route, telemetry: Gateway): void {
  for (const { model, version } of targets) telemetry.declare({ route: name, model, version });
  for (const { model, version } of shadow ? (shadow.targets ?? targets) : [])
    telemetry.declare({ route: name, model, version, shadow: true });
}
