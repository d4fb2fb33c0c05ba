/** A request's body, read so far that it can be sent more than once, or known to be too large for that. */

import type { ClientRequest, IncomingMessage } from 'node:http';

export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'buffered'; readonly bytes: Buffer }
  /** `head` was read already, the rest is still to come from the caller and can be sent once. */
  | { readonly kind: 'streamed'; readonly head: Buffer; readonly rest: IncomingMessage };

/** Bodies up to this size can be sent again to another target. */
const bufferedBodyBytes = 2 ** 20;

/**
 * Reads the body, or the part of it that shows it to be larger than `bufferedBodyBytes`.
 * Rejects when the caller leaves before that.
 */
export function readBody(request: IncomingMessage): Promise<Body> {
  if (!hasBody(request)) return Promise.resolve({ kind: 'none' });
  if (Number(request.headers['content-length'] ?? 0) > bufferedBodyBytes)
    return Promise.resolve({ kind: 'streamed', head: Buffer.alloc(0), rest: request });
  return readUpToLimit(request);
}

/** False when something else, a body parser for one, has read the body already. */
export function bodyIsUnread(request: IncomingMessage): boolean {
  return !hasBody(request) || !request.readableDidRead;
}

/**
 * Writes the body. A streamed one must have its connection first, so that a refused one leaves it whole.
 * Returns how to let go of a streamed body that the target does not want to the end.
 */
export function sendBody(body: Body, target: ClientRequest): () => void {
  if (body.kind === 'none') target.end();
  if (body.kind === 'buffered') target.end(body.bytes);
  if (body.kind !== 'streamed') return () => {};
  const { head, rest } = body;
  target.write(head);
  rest.pipe(target);
  return () => {
    rest.unpipe(target);
    // What is still to come has no reader any more; unread, it would block the caller's connection.
    rest.resume();
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function readUpToLimit(request: IncomingMessage): Promise<Body> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;

    function take(chunk: Buffer) {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= bufferedBodyBytes) return;
      request.pause();
      settle(() => resolve({ kind: 'streamed', head: Buffer.concat(chunks), rest: request }));
    }
    function end() {
      settle(() => resolve({ kind: 'buffered', bytes: Buffer.concat(chunks) }));
    }
    function leave() {
      settle(() => reject(new Error('the caller left before its request was complete')));
    }
    function settle(how: () => void) {
      request.off('data', take).off('end', end).off('close', leave);
      how();
    }
    request.on('data', take).on('end', end).on('close', leave);
  });
}
