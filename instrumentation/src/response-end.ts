import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from './failures.ts';

/** How a request that was measured may end, once. */
export interface End {
  end(): void;
  fail(error?: unknown, outcome?: Failure['outcome']): void;
}

/**
 * The response is closed, which it is after its last byte too, and then still within the trace of the handler that wrote
 * it. Gives whether a good answer was sent. One listener for both ends costs less than one for each.
 */
export function endByResponse(measured: End, request: IncomingMessage, response: ServerResponse): boolean {
  const { statusCode, writableFinished } = response;
  if (writableFinished || statusCode >= 500) return endByStatus(measured, statusCode);
  if (isLeftByCaller(request, response)) measured.fail(undefined, 'cancelled');
  // The server broke its answer off: a handler that threw after the first byte, a process that ends.
  else measured.fail(response.errored, 'error');
  return false;
}

function endByStatus(measured: End, status: number): boolean {
  const isGood = status < 400;
  if (isGood) measured.end();
  else if (isFaultOfCaller(status)) measured.fail(undefined, 'cancelled');
  else measured.fail({ status });
  return isGood;
}

/**
 * A request that nobody could answer says nothing about the model. Unlike these, 408 and 429 say that the server had no
 * time or no room for it.
 */
const isFaultOfCaller = (status: number) => status < 500 && status !== 408 && status !== 429;

/** Who closes a connection reads its end, or is the one who did not see the other side go. */
function isLeftByCaller({ socket }: IncomingMessage, { errored }: ServerResponse): boolean {
  return errored === null && (socket.readableEnded || socket.errored !== null);
}
