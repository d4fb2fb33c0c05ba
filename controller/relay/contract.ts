/** RelayCore's route contract over HTTP: GET and PUT /api/v1/routes/{route}. */

import express, { type ErrorRequestHandler, type Request, type Response, type Router } from 'express';
import { type Admission, admit } from './admission.ts';
import { createKeyMemory } from './idempotency.ts';
import type { Route } from './options.ts';
import { entityTag, parseChange, type RouteState, toWire } from './state.ts';
import type { Store } from './store.ts';

interface Context {
  readonly routes: ReadonlyMap<string, Route>;
  readonly store: Store;
  readonly token: string | undefined;
}

/** Errors are `{ success: false, error: { code, message, … } }`; every message says what to do. */
export function createContract({ routes, store, token }: Context): Router {
  const router = express.Router();
  const keys = createKeyMemory(1_000);

  router.use('/api/v1/routes', (request, response, next) => {
    const admission = admit(request, token);
    if (admission.kind === 'admitted') next();
    else refuse(response, admission);
  });

  router.get('/api/v1/routes/:route', (request, response) => {
    const route = known(request, response);
    if (route) answer(response, store.state(route.name));
  });

  // Any content type: a caller that forgot the header has still sent JSON, or gets a clear 400.
  router.put(
    '/api/v1/routes/:route',
    express.json({ limit: '64kb', type: () => true }),
    async (request, response) => {
      const route = known(request, response);
      if (route) await put(request, response, route);
    },
  );

  router.all('/api/v1/routes/:route', (request, response) => {
    response.set('allow', 'GET, HEAD, PUT');
    fail(response, 405, 'method_not_allowed', `${request.method} is not served here; use GET or PUT`);
  });

  router.use(unreadableBody);
  return router;

  function known(request: Request<{ route: string }>, response: Response): Route | undefined {
    const route = routes.get(request.params.route);
    if (route) return route;
    const message = `this gateway has no route "${request.params.route}"; it has: ${[...routes.keys()].join(', ')}`;
    fail(response, 404, 'unknown_route', message);
    return undefined;
  }

  async function put(request: Request, response: Response, route: Route): Promise<void> {
    const parsed = parseChange(route, request.body);
    if (parsed.kind === 'invalid') {
      const message = `route "${route.name}" was not changed; correct what "problems" lists and send it again`;
      return fail(response, 422, 'invalid_change', message, { problems: parsed.problems });
    }
    const key = request.get('idempotency-key');
    const usage = `${route.name} ${JSON.stringify(parsed.change)}`;
    if (key !== undefined && keys.reused(key, usage)) {
      const message = 'this Idempotency-Key has applied another change; use a new key for each change';
      return fail(response, 422, 'idempotency_key_reused', message);
    }
    const result = await store.change(route.name, parsed.change, entityTags(request.get('if-match')));
    if (result.kind === 'stale') return stale(response, result.state, result.message);
    if (result.kind === 'not kept') return notKept(response, result.state);
    if (key !== undefined) keys.remember(key, usage);
    answer(response, result.state, { changed: result.kind === 'changed' });
  }
}

function answer(response: Response, state: RouteState, more: { changed?: boolean } = {}): void {
  response.set('etag', entityTag(state)).set('cache-control', 'no-cache');
  response.json({ success: true, data: { ...toWire(state), ...more } });
}

function stale(response: Response, state: RouteState, message: string): void {
  response.set('etag', entityTag(state)).status(412);
  response.json({ success: false, error: { code: 'stale_generation', message }, data: toWire(state) });
}

function notKept(response: Response, state: RouteState): void {
  const message =
    'the old weights stay, because the state file could not be written; the gateway logs why. Free the disk or correct stateFile, then send it again';
  response
    .status(500)
    .json({ success: false, error: { code: 'state_not_kept', message }, data: toWire(state) });
}

function refuse(
  response: Response,
  { status, code, message }: Extract<Admission, { kind: 'refused' }>,
): void {
  if (status === 401) response.set('www-authenticate', 'Bearer realm="relaycore"');
  fail(response, status, code, message);
}

function fail(response: Response, status: number, code: string, message: string, more: object = {}): void {
  response.status(status).json({ success: false, error: { code, message, ...more } });
}

/** What the JSON parser and the path decoder refuse, with a 4xx status of its own. */
const unreadableBody: ErrorRequestHandler = (
  error: { status?: number; message?: string },
  _request,
  response,
  next,
) => {
  const { status } = error;
  if (status === undefined || status >= 500) return next(error);
  if (status === 413) return fail(response, 413, 'too_large', 'a change has at most 64 KiB; shorten it');
  fail(
    response,
    status,
    'unreadable_request',
    `send a JSON object in UTF-8 (${error.message ?? 'no details'})`,
  );
};

/** The tags of If-Match; undefined when any state will do. Weak tags stay as they are and never match. */
function entityTags(header: string | undefined): readonly string[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  return header
    .split(',')
    .map(tag => tag.trim())
    .filter(tag => tag !== '');
}
