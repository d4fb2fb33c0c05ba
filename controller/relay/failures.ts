/** What a caller reads when no target has answered: `{ success: false, error: { code, message, … } }`. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AttemptOutcome } from '@neuroweaver/instrumentation';

export interface Tried {
  readonly target: string;
  readonly outcome: AttemptOutcome;
}

/** 504 when the last target was connected and stayed silent, else 502. */
export function failExhausted(
  request: IncomingMessage,
  response: ServerResponse,
  route: string,
  tried: readonly Tried[],
): void {
  const names = tried.map(({ target, outcome }) => `${target} (${outcome})`).join(', ');
  const message = `no target of route "${route}" answered; tried ${names}. Send the request again later`;
  request.resume(); // What was not read of a large body would block the caller's connection.
  if (tried.at(-1)?.outcome === 'timeout') fail(response, 504, 'target_timeout', message, { tried });
  else fail(response, 502, 'no_target_answered', message, { tried });
}

/** Every target of the route has as much as it can take. */
export function failFull(request: IncomingMessage, response: ServerResponse, route: string): void {
  request.resume(); // as above
  response.setHeader('retry-after', '1');
  const message = `every target of route "${route}" has as much as it can take; send the request again after a second`;
  fail(response, 503, 'no_room', message);
}

export function failClosing(response: ServerResponse): void {
  response.setHeader('connection', 'close');
  fail(response, 503, 'closing', 'this gateway is shutting down; send the request again');
}

export function failAlreadyRead(response: ServerResponse): void {
  const message =
    'the body of this request was read before the relay saw it; mount relay.forward before any body parser';
  fail(response, 500, 'body_already_read', message);
}

function fail(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  more: object = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify({ success: false, error: { code, message, ...more } }));
}
