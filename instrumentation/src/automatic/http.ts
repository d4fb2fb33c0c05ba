import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Model, ModelIdentity } from '../model.ts';
import { isPageServer } from '../page/endpoint.ts';
import type { Rejections } from '../rejections.ts';
import { startCall } from './calls.ts';
import type { FindServed } from './paths.ts';

export interface HttpContext {
  readonly find: FindServed;
  /** Undefined while nothing is recorded. */
  readonly modelOf: (identity: ModelIdentity) => Model | undefined;
  readonly rejections: Rejections;
}

/** What Node says of each request that one of its HTTP/1 servers gets. */
interface RequestStart {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly server: Server;
}

const channel = 'http.server.request.start';

/** Counts the requests of all HTTP and HTTPS servers of the process that are for a model. Returns how to stop. */
export function countRequests({ find, modelOf, rejections }: HttpContext): () => void {
  function observe({ request, response, server }: RequestStart): void {
    const identity = find(request.method, request.url);
    if (identity === undefined || isPageServer(server)) return;
    const model = modelOf(identity);
    if (model === undefined) return;
    const call = startCall(model);
    // `close` comes after the last byte too, and still within the trace of the handler that wrote it.
    response.once('close', () => {
      if (response.writableFinished || response.statusCode >= 500) answered(response.statusCode);
      else if (leftByCaller(request, response)) call.fail(undefined, 'cancelled');
      // The server broke its answer off: a handler that threw after the first byte, a process that ends.
      else call.fail(response.errored, 'error');
    });

    function answered(status: number): void {
      if (status < 400) call.end();
      else if (isFaultOfCaller(status)) call.fail(undefined, 'cancelled');
      else call.fail({ status });
    }
  }

  const listener = rejections.contain((message: unknown) => observe(message as RequestStart), undefined);
  subscribe(channel, listener);
  return () => unsubscribe(channel, listener);
}

/**
 * A request that nobody could answer says nothing about the model. Unlike these, 408 and 429 say that the server had no
 * time or no room for it.
 */
function isFaultOfCaller(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** Who closes a connection reads its end, or is the one who did not see the other side go. */
function leftByCaller({ socket }: IncomingMessage, response: ServerResponse): boolean {
  return response.errored === null && (socket.readableEnded || socket.errored !== null);
}
