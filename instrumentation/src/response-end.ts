import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from './failures.ts';

/** How a request that was measured may end, once. */
export interface End {
  end(): void;
  fail(error?: unknown, outcome?: Failure['outcome']): void;
}

/** The whole answer was sent; whether it was a good one. */
export function endByStatus(status: number, { end, fail }: End): boolean {
  const isGood = status < 400;
  if (isGood) end();
  else if (isFaultOfCaller(status)) fail(undefined, 'cancelled');
  else fail({ status });
  return isGood;
}

/** The connection was closed before the whole answer was sent. */
export function endByClose(request: IncomingMessage, response: ServerResponse, end: End): void {
  if (response.statusCode >= 500) endByStatus(response.statusCode, end);
  else if (leftByCaller(request, response)) end.fail(undefined, 'cancelled');
  // The server broke its answer off: a handler that threw after the first byte, a process that ends.
  else end.fail(response.errored, 'error');
}

/**
 * A request that nobody could answer says nothing about the model. Unlike these, 408 and 429 say that the server had no
 * time or no room for it.
 */
const isFaultOfCaller = (status: number) => status < 500 && status !== 408 && status !== 429;

/** Who closes a connection reads its end, or is the one who did not see the other side go. */
function leftByCaller({ socket }: IncomingMessage, response: ServerResponse): boolean {
  return response.errored === null && (socket.readableEnded || socket.errored !== null);
}
