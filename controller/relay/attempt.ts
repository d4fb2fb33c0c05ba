/** One request to one target, up to the head of its answer. */

import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { type Body, sendBody } from './body.ts';
import type { Headers } from './headers.ts';
import type { Route, Target } from './options.ts';

export type AttemptResult =
  | { readonly kind: 'answer'; readonly answer: IncomingMessage }
  /** No connection was made, so nothing was sent. */
  | { readonly kind: 'refused'; readonly error: Error }
  /** Connected, then closed without the head of an answer. `begun`: some bytes of one had come. */
  | {
      readonly kind: 'broken';
      readonly error: Error;
      readonly begun: boolean;
      readonly reusedSocket: boolean;
    }
  /** Connected, then silent. */
  | { readonly kind: 'timeout'; readonly error: Error }
  | { readonly kind: 'cancelled' };

export interface Message {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Body;
}

type Limits = Pick<Route, 'attemptTimeoutMs' | 'connectTimeoutMs'>;

interface AttemptOptions {
  readonly limits: Limits;
  /** Aborted when the caller leaves; ends the attempt, also an answer under way. */
  readonly signal: AbortSignal;
  /** Take a new connection instead of a kept one. */
  readonly freshSocket: boolean;
}

/** Rejects only when the message cannot be spelled in HTTP. The answer's body is the reader's to consume. */
export async function attempt(
  target: Target,
  message: Message,
  options: AttemptOptions,
): Promise<AttemptResult> {
  if (options.signal.aborted) return { kind: 'cancelled' };
  const request = open(target, message, options.freshSocket);
  return new Promise(resolve => watch(request, message.body, options, resolve));
}

function open(target: Target, { method, path, headers }: Message, freshSocket: boolean): ClientRequest {
  const { request } = target.url.protocol === 'https:' ? https : http;
  return request({
    ...connectTo(target.url),
    method,
    path: joinPath(target.url, path),
    headers,
    agent: freshSocket ? false : target.agent,
  });
}

/** Node's socket options want IPv6 addresses without the brackets that URLs put around them. */
function connectTo({ hostname, port, protocol }: URL) {
  return { protocol, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), port: port || undefined };
}

function joinPath(base: URL, path: string): string {
  return base.pathname.replace(/\/$/, '') + path;
}

/** Settles once, with whatever happens first, and leaves no timer behind. */
function watch(
  request: ClientRequest,
  body: Body,
  { limits, signal }: AttemptOptions,
  resolve: (result: AttemptResult) => void,
): void {
  let connected = false;
  let begun = false;
  let settled = false;
  let dropBody = () => {};
  const silence = setTimeout(onSilence, limits.attemptTimeoutMs);
  const timers = [silence];

  request.once('socket', socket => {
    socket.once('data', () => {
      begun = true;
    });
    whenConnected(socket, onConnected, timers, limits.connectTimeoutMs, onConnectTimeout);
  });
  request.once('response', answer => {
    answer.once('end', onAnswerEnd);
    settle({ kind: 'answer', answer });
  });
  request.on('error', onFailure);
  request.once('close', () => onFailure(new Error('the target closed the connection without an answer')));
  signal.addEventListener('abort', onCallerLeft);
  // A streamed body has to stay whole until there is a connection; the others can wait inside the request.
  if (body.kind !== 'streamed') sendBody(body, request);

  function onConnected() {
    connected = true;
    if (body.kind !== 'streamed') return;
    dropBody = sendBody(body, request);
    body.rest.on('data', () => {
      // Refreshing a cleared timer would start it again.
      if (!settled) silence.refresh();
    });
  }
  function onAnswerEnd() {
    // A target that answered without reading all has no use for the rest, and Node would not let it flow on.
    if (!request.writableFinished) request.destroy();
  }
  function onConnectTimeout() {
    settle({ kind: 'refused', error: new Error(`no connection within ${limits.connectTimeoutMs} ms`) });
    request.destroy();
  }
  function onSilence() {
    if (waitsForCaller(body, request)) return onCallerLeft();
    settle({ kind: 'timeout', error: new Error(`no answer within ${limits.attemptTimeoutMs} ms`) });
    request.destroy();
  }
  function onCallerLeft() {
    settle({ kind: 'cancelled' });
    request.destroy();
  }
  function onFailure(error: Error) {
    if (!connected) settle({ kind: 'refused', error });
    else settle({ kind: 'broken', error, begun, reusedSocket: request.reusedSocket });
    // After the answer has begun its reader sees the failure; here only the body and the listener are let go.
    dropBody();
    signal.removeEventListener('abort', onCallerLeft);
  }
  function settle(result: AttemptResult) {
    if (settled) return;
    settled = true;
    for (const timer of timers) clearTimeout(timer);
    resolve(result);
  }
}

/** A caller that stops in the middle of its upload must not make the target look slow. */
function waitsForCaller(body: Body, request: ClientRequest): boolean {
  return body.kind === 'streamed' && !body.rest.readableEnded && !request.writableNeedDrain;
}

function whenConnected(
  socket: Socket,
  onConnected: () => void,
  timers: NodeJS.Timeout[],
  timeoutMs: number,
  onTimeout: () => void,
): void {
  if (!socket.connecting) {
    onConnected();
    return;
  }
  const timer = setTimeout(onTimeout, timeoutMs);
  timers.push(timer);
  socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
    clearTimeout(timer);
    onConnected();
  });
}
