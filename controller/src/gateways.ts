import type { Route } from '@relaycore/rules';
import type { Logger } from 'pino';
import { type GatewayDriver, type GatewayState, sameWeights } from './apply/driver.ts';
import { type Reconciled, reconcile } from './apply/reconcile.ts';
import { isLeftAlone } from './changed-by-hand.ts';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Database } from './record/database.ts';
import { markApplied, outcomeOf } from './record/switch-events.ts';
import type { RouteState } from './types.ts';

/** The gateways as the loop knows them: who follows, and who was changed by somebody else. */
export interface Gateways {
  /** What the gateway of a route does now. Rejects when it does not say. */
  read(route: string): Promise<GatewayState>;
  /** Tells the gateway, and reads it back. */
  tell(state: RouteState, reason: string): Promise<Reconciled>;
  /**
   * Between changes the gateway is looked at now and then, and told again when it lost what it was told or never
   * answered; at once when another controller has committed a generation, which may not have lived to tell it. A
   * gateway that did as told and does otherwise now was changed by hand: that is answered, and nothing is told.
   */
  look(route: Route, state: RouteState): Promise<Reconciled | ChangedByHand>;
  /** What came of telling or looking last. */
  last(route: string): Reconciled | undefined;
  /** The gateway does this already, without having been told. */
  follows(state: RouteState): Promise<Reconciled>;
}

export interface ChangedByHand {
  readonly kind: 'changed';
  readonly held: GatewayState;
}

export interface GatewayParts {
  readonly drivers: ReadonlyMap<string, GatewayDriver>;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Logger;
}

const gatewayTimeoutMs = 3000;
const lookEveryMs = 10_000;
/** Gateways are told why, but not at any length. */
const longestReason = 500;

export function createGateways({ drivers, database, clock, log }: GatewayParts): Gateways {
  const results = new Map<string, Reconciled>();
  const looked = new Map<string, number>();
  /** The generation that each gateway was seen to follow. */
  const followed = new Map<string, number>();

  const read = (route: string) => drivers.get(route)!.read(route, clock.deadline(gatewayTimeoutMs));

  async function look(route: Route, state: RouteState): Promise<Reconciled | ChangedByHand> {
    const { name } = route;
    const last = results.get(name);
    const isDue = clock.now() - (looked.get(name) ?? 0) >= lookEveryMs;
    if (last?.kind === 'converged' && followed.get(name) === state.generation && !isDue) return last;
    const held = await unlikeTold(state);
    if (!held) return reconciled(state, 'reconcile', false);
    if (isChangedByHand(held, state, isLeftAlone(route))) {
      await settle(state, { kind: 'conflict', detail: `changed by hand to ${JSON.stringify(held.weights)}` });
      return { kind: 'changed', held };
    }
    const isAsItShould = isLeftAlone(route) && sameWeights(held.weights, state.weights);
    return isAsItShould ? follows(state) : reconciled(state, 'reconcile', false);
  }

  /** What a gateway does that once did as it was told, and now says otherwise. */
  async function unlikeTold(state: RouteState): Promise<GatewayState | undefined> {
    const { route, weights, generation } = state;
    const desired = { weights, generation, reason: 'reconcile' };
    const signal = clock.deadline(gatewayTimeoutMs);
    const seen = await drivers
      .get(route)!
      .verify(route, desired, signal)
      .catch(() => undefined);
    if (seen?.kind !== 'diverged' || !(await hasFollowed(state))) return undefined;
    return read(route).catch(() => undefined);
  }

  /** Also before this process was started. A route that was taken over does what its gateway did. */
  async function hasFollowed({ route, generation }: RouteState): Promise<boolean> {
    if (followed.get(route) === generation || generation === 0) return true;
    return (await outcomeOf(database, route, generation)) === 'applied';
  }

  async function follows(state: RouteState): Promise<Reconciled> {
    return settle(state, { kind: 'converged', changed: false });
  }

  async function reconciled(state: RouteState, reason: string, tellNow: boolean): Promise<Reconciled> {
    const { route, weights, generation } = state;
    const result = await reconcile(
      drivers.get(route)!,
      route,
      { weights, generation, reason: reason.slice(0, longestReason) },
      { tell: tellNow, timeoutMs: gatewayTimeoutMs, clock },
    ).catch((error): Reconciled => ({ kind: 'open', detail: messageOf(error) }));
    return settle(state, result);
  }

  async function settle({ route, generation }: RouteState, result: Reconciled): Promise<Reconciled> {
    const before = results.get(route);
    results.set(route, result);
    looked.set(route, clock.now());
    if (result.kind === 'converged') {
      if (followed.get(route) !== generation)
        await markApplied(database, route, generation, clock.now(), 'read back from the gateway');
      followed.set(route, generation);
    } else if (before?.kind !== result.kind)
      log.warn({ route, generation, detail: result.detail }, 'the gateway does not follow');
    return result;
  }

  return {
    read,
    look,
    follows,
    tell: (state, reason) => reconciled(state, reason, true),
    last: route => results.get(route),
  };
}

/** Other weights, from somebody who knew our generation or a later one; without it the gateway has lost its memory. */
function isChangedByHand(
  { weights, generation = 0 }: GatewayState,
  state: RouteState,
  isNeverTold: boolean,
): boolean {
  const isKnowing = isNeverTold || generation >= state.generation;
  return isKnowing && Object.keys(weights).length > 0 && !sameWeights(weights, state.weights);
}
