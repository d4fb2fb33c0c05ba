/** Asks a target what a caller asked, over a connection that works. */

import type { IncomingMessage } from 'node:http';
import type { AttemptOutcome } from '@neuroweaver/instrumentation';
import { type AttemptResult, attempt, type Message } from './attempt.ts';
import type { Body } from './body.ts';
import { headersForTarget } from './headers.ts';
import type { Route, Target } from './options.ts';

export type Failure = Exclude<AttemptResult, { kind: 'answer' }>;

/** The caller's request as this target is to get it. */
export function messageFor(request: IncomingMessage, target: Target, body: Body): Message {
  return {
    method: request.method ?? 'GET',
    path: originForm(request.url ?? '/'),
    headers: headersForTarget(request, target.url.host, body),
    body,
  };
}

/**
 * A kept connection may have been closed by the target just as it was taken. That says nothing about the target, so
 * it gets the request once more on a fresh one, if the request may be repeated at all.
 */
export async function askTarget(
  target: Target,
  message: Message,
  { route, signal }: { readonly route: Route; readonly signal: AbortSignal },
): Promise<AttemptResult> {
  const result = await attempt(target, message, { limits: route, signal, freshSocket: false });
  const stale = result.kind === 'broken' && result.reusedSocket && mayGoOn(result, message, route);
  return stale ? attempt(target, message, { limits: route, signal, freshSocket: true }) : result;
}

/** Whether a target may be asked (again) after this failure, without the work being done twice unasked. */
export function mayGoOn(failure: Failure, { method, body }: Message, route: Route): boolean {
  if (failure.kind === 'refused') return true;
  if (failure.kind !== 'broken' || failure.begun || body.kind === 'streamed') return false;
  return isRepeatable(route, method);
}

/** Whether the work may be done twice. */
export function isRepeatable({ allowRetry }: Route, method: string): boolean {
  return allowRetry === 'always' || idempotentMethods.has(method);
}

/** RFC 9110, section 9.2.2. */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * `refused` means that no connection was made (refused, unreachable, unknown host, connect timeout); `error` that one
 * broke; `timeout` that one stayed silent.
 */
export function outcomeOf({ kind }: Failure): AttemptOutcome {
  return kind === 'broken' ? 'error' : kind;
}

/** A caller may send a whole address as its request target; the target gets the path of it. */
function originForm(address: string): string {
  if (address.startsWith('/')) return address;
  if (!URL.canParse(address)) return `/${address}`;
  const { pathname, search } = new URL(address);
  return pathname + search;
}
