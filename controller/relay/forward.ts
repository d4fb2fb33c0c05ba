/** Carries a caller's request to a target and the answer back; tries the next target when one refuses. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AttemptOutcome, Gateway } from '@neuroweaver/instrumentation';
import { passAnswer } from './answer.ts';
import { type AttemptResult, attempt, type Message } from './attempt.ts';
import { type Body, bodyIsUnread, readBody } from './body.ts';
import { failAlreadyRead, failClosing, failExhausted, type Tried } from './failures.ts';
import { headersForTarget } from './headers.ts';
import type { Log, Route, Target } from './options.ts';
import { attemptOrder, pickTarget } from './pick.ts';
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
  /** Refuses new requests and waits for those in flight; aborts what is left after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

interface Context {
  readonly store: Store;
  readonly telemetry: Gateway;
  readonly log: Log;
  readonly random: () => number;
}

/** One caller's request on its way. */
export interface Passage {
  readonly route: Route;
  /** In the order in which they are tried. */
  readonly targets: readonly Target[];
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Body;
  /** Aborted when the caller leaves, or when the relay does not wait any longer. */
  readonly signal: AbortSignal;
}

type Failure = Exclude<AttemptResult, { kind: 'answer' }>;

export function createForwarder({ store, telemetry, log, random }: Context): Forwarder {
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
    },
  };

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
    const targets = attemptOrder(picked, route.targets, weights);
    response.setHeader('x-relaycore-generation', generation);
    await tryInOrder({ route, targets, request, response, body, signal: abort.signal });
  }

  async function tryInOrder(passage: Passage): Promise<void> {
    const { route, targets, request, response } = passage;
    const tried: Tried[] = [];
    for (const [index, target] of targets.entries()) {
      const startedMs = performance.now();
      const result = await attemptOnce(target, passage);
      if (result.kind === 'answer') {
        const outcome = await passAnswer(result.answer, target, passage);
        return count(route, target, outcome, false, startedMs);
      }
      const retried = index + 1 < targets.length && mayTryNext(result, passage);
      count(route, target, outcomeOf(result), retried, startedMs);
      if (result.kind === 'cancelled') return void response.destroy();
      report(route, target, result, retried);
      tried.push({ target: target.model, outcome: outcomeOf(result) });
      if (!retried) return failExhausted(request, response, route.name, tried);
    }
  }

  function count(
    route: Route,
    target: Target,
    outcome: AttemptOutcome,
    retried: boolean,
    startedMs: number,
  ): void {
    const seconds = (performance.now() - startedMs) / 1_000;
    telemetry.attempt({
      route: route.name,
      model: target.model,
      version: target.version,
      outcome,
      retried,
      seconds,
    });
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

/**
 * A kept connection may have been closed by the target just as it was taken. That says nothing about the target, so
 * it gets the request once more on a fresh one, if the request may be repeated at all.
 */
async function attemptOnce(target: Target, passage: Passage): Promise<AttemptResult> {
  const { request, body, route, signal } = passage;
  const message: Message = {
    method: request.method ?? 'GET',
    path: originForm(request.url ?? '/'),
    headers: headersForTarget(request, target.url.host, body),
    body,
  };
  const result = await attempt(target, message, { limits: route, signal, freshSocket: false });
  const stale = result.kind === 'broken' && result.reusedSocket && mayTryNext(result, passage);
  return stale ? attempt(target, message, { limits: route, signal, freshSocket: true }) : result;
}

/** Whether a target may be asked (again) after this failure, without the work being done twice unasked. */
function mayTryNext(failure: Failure, { route, request, body }: Passage): boolean {
  if (failure.kind === 'refused') return true;
  if (failure.kind !== 'broken' || failure.begun || body.kind === 'streamed') return false;
  return route.allowRetry === 'always' || idempotentMethods.has(request.method ?? 'GET');
}

/** RFC 9110, section 9.2.2. */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * `refused` means that no connection was made (refused, unreachable, unknown host, connect timeout); `error` that one
 * broke; `timeout` that one stayed silent.
 */
function outcomeOf({ kind }: Failure): AttemptOutcome {
  return kind === 'broken' ? 'error' : kind;
}

/** A caller may send a whole address as its request target; the target gets the path of it. */
function originForm(address: string): string {
  if (address.startsWith('/')) return address;
  if (!URL.canParse(address)) return `/${address}`;
  const { pathname, search } = new URL(address);
  return pathname + search;
}
