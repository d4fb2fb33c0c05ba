/** Carries a caller's request to a target and the answer back; tries the next target when one refuses. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Gateway } from '@neuroweaver/instrumentation';
import { passAnswer } from './answer.ts';
import { askTarget, type Failure, mayGoOn, messageFor, outcomeOf } from './ask.ts';
import type { Message } from './attempt.ts';
import { type Body, bodyIsUnread, readBody } from './body.ts';
import { createDispatch, type Dispatch, type End } from './dispatch.ts';
import { failAlreadyRead, failClosing, failExhausted, failFull, type Tried } from './failures.ts';
import type { Log, Route, Target } from './options.ts';
import { attemptOrder, pickTarget } from './pick.ts';
import { createShadows, type Shadows } from './shadow.ts';
import type { Store } from './store.ts';

export interface ForwardOptions {
  /** A key whose requests stay on one target as long as the weights allow; undefined leaves it to chance. */
  readonly sticky?: ((request: IncomingMessage) => string | undefined) | undefined;
}

/** What Express and other Connect-like frameworks call for each request. */
export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

export interface Forwarder {
  handler(route: Route, options: ForwardOptions): Handler;
  /** Refuses new requests and waits for those in flight; aborts what is left after `deadlineMs`, and all copies. */
  close(deadlineMs: number): Promise<void>;
}

interface Context {
  readonly routes: ReadonlyMap<string, Route>;
  readonly store: Store;
  readonly telemetry: Gateway;
  readonly log: Log;
  readonly random: () => number;
}

/** One caller's request on its way. */
export interface Passage {
  readonly route: Route;
  readonly lane: Lane;
  /** In the order in which they are tried. */
  readonly targets: readonly Target[];
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Body;
  /** Aborted when the caller leaves, or when the relay does not wait any longer. */
  readonly signal: AbortSignal;
}

/** What the requests of one route share. */
interface Lane {
  readonly dispatch: Dispatch;
  readonly shadows: Shadows;
}

export function createForwarder({ routes, store, telemetry, log, random }: Context): Forwarder {
  const lanes = new Map([...routes.values()].map(route => [route.name, openLane(route)]));
  const inFlight = new Map<Promise<void>, ServerResponse>();
  let closing = false;

  return {
    handler: (route, options) => (request, response, next) => {
      if (closing) return failClosing(response);
      const passage = carry(route, options, request, response).catch(next);
      inFlight.set(passage, response);
      passage.finally(() => inFlight.delete(passage));
    },
    async close(deadlineMs) {
      closing = true;
      const deadline = setTimeout(() => {
        for (const response of inFlight.values()) response.destroy();
      }, deadlineMs);
      await Promise.all(inFlight.keys());
      clearTimeout(deadline);
      await Promise.all([...lanes.values()].map(({ shadows }) => shadows.close()));
    },
  };

  function openLane(route: Route): Lane {
    const dispatch = createDispatch(route, { telemetry, log, random });
    const weights = () => store.state(route.name).weights;
    return { dispatch, shadows: createShadows(route, { dispatch, weights, telemetry, log, random }) };
  }

  async function carry(
    route: Route,
    { sticky }: ForwardOptions,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const abort = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) abort.abort();
    });
    if (!bodyIsUnread(request)) return failAlreadyRead(response);
    const body = await readBody(request).catch(() => undefined);
    if (!body) return; // The caller has left, and no target has heard of it.
    const { weights, generation } = store.state(route.name);
    const picked = pickTarget(route.targets, weights, random, sticky?.(request));
    const lane = lanes.get(route.name)!;
    const targets = lane.dispatch.arrange(attemptOrder(picked, route.targets, weights));
    response.setHeader('x-relaycore-generation', generation);
    await tryInOrder({ route, lane, targets, request, response, body, signal: abort.signal });
  }

  async function tryInOrder(passage: Passage): Promise<void> {
    const { route, request, response, lane } = passage;
    const tried: Tried[] = [];
    let left = passage.targets;
    let target = lane.dispatch.choose(left);
    if (!target) return failFull(request, response, route.name);
    while (target) {
      const current: Target = target;
      const end = lane.dispatch.begin(current);
      const message = messageFor(request, current, passage.body);
      const result = await askTarget(current, message, passage).catch(unaskable(end));
      if (result.kind === 'answer') return passOn(result.answer, current, passage, end);
      left = left.filter(other => other !== current);
      target = nextAfter(current, result, left, message, passage);
      end(outcomeOf(result), target !== undefined);
      if (result.kind === 'cancelled') return void response.destroy();
      report(route, current, result, target !== undefined);
      tried.push({ target: current.model, outcome: outcomeOf(result) });
    }
    failExhausted(request, response, route.name, tried);
  }

  function report(
    route: Route,
    target: Target,
    { kind, error }: Exclude<Failure, { kind: 'cancelled' }>,
    retried: boolean,
  ) {
    const then = retried ? 'trying the next target' : 'no further target is tried';
    const message = `${target.model} at ${target.url.origin} for route "${route.name}": ${kind}, ${error.message}; ${then}`;
    log({ kind: 'attempt failed', level: 'warning', route: route.name, message, cause: error });
  }
}

/** A request that cannot be spelled says nothing about the target, which never heard of it. */
function unaskable(end: End): (error: unknown) => never {
  return error => {
    end('cancelled', false);
    throw error;
  };
}

async function passOn(answer: IncomingMessage, target: Target, passage: Passage, end: End): Promise<void> {
  const copy = passage.lane.shadows.plan(passage, target, answer);
  const outcome = await passAnswer(answer, target, passage);
  end(outcome, false);
  copy?.(outcome);
}

/** A refused request was no load to anyone. What a target may have begun to work on is, so it costs from the budget. */
function nextAfter(
  target: Target,
  failure: Failure,
  left: readonly Target[],
  message: Message,
  { route, lane: { dispatch } }: Passage,
): Target | undefined {
  if (left.length === 0 || !mayGoOn(failure, message, route)) return undefined;
  if (failure.kind !== 'refused' && !dispatch.mayRepeat(target)) return undefined;
  return dispatch.choose(left);
}
