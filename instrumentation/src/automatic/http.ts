import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Model, ModelIdentity } from '../model.ts';
import { isPageServer } from '../page/endpoint.ts';
import type { Rejections } from '../rejections.ts';
import { endByResponse } from '../response-end.ts';
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
    response.once('close', () => endByResponse(call, request, response));
  }

  const listener = rejections.contain((message: unknown) => observe(message as RequestStart), undefined);
  subscribe(channel, listener);
  return () => unsubscribe(channel, listener);
}
