import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { samplesOf } from '../../test/page.ts';
import { type Recording, startRecording } from '../../test/recording.ts';
import { createModels } from '../models.ts';
import { openEndpoint } from '../page/endpoint.ts';
import { countRequests } from './http.ts';
import { findServed } from './paths.ts';

const model = { name: 'spam', version: '1', operation: 'classify', provider: 'example' };
const anything = [
  { path: '/*', model },
  { path: 'GET /*', model },
];

let recording: Recording;
let stop: () => void;
let server: Server;

beforeEach(() => {
  recording = startRecording();
  const modelOf = createModels({ ...recording, maximumModels: 10 });
  stop = countRequests({ find: findServed(anything), modelOf, rejections: recording.rejections });
});
afterEach(() => {
  stop();
  server?.close();
  server?.closeAllConnections();
});

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Starts a server; `over` resolves when the first response is closed. */
async function serve(listener: Listener): Promise<{ url: string; over: Promise<unknown> }> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  server = createServer((request, response) => {
    response.once('close', resolve);
    listener(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, over };
}

const outcomes = () =>
  samplesOf(recording.page(), 'ml_server_requests_total')
    .filter(({ value }) => value > 0)
    .map(({ labels, value }) => ({ outcome: labels.outcome, error: labels.error_type, value }));

const active = () => samplesOf(recording.page(), 'ml_server_active_requests')[0]?.value;

test.each([
  { status: 200, outcome: 'ok' },
  { status: 302, outcome: 'ok' },
  { status: 400, outcome: 'cancelled', error: 'cancelled' },
  { status: 408, outcome: 'timeout', error: 'timeout' },
  { status: 429, outcome: 'error', error: 'rate_limited' },
  { status: 500, outcome: 'error', error: 'model_error' },
  { status: 503, outcome: 'error', error: 'unavailable' },
])('status $status is $outcome', async ({ status, outcome, error }) => {
  const { url, over } = await serve((_, response) => response.writeHead(status).end());
  await fetch(url, { method: 'POST', redirect: 'manual' });
  await over;
  expect(outcomes()).toEqual([{ outcome, error, value: 1 }]);
  expect(active()).toBe(0);
});

test('a streamed answer is a request until its last byte', async () => {
  const streaming = Promise.withResolvers<ServerResponse>();
  const { url, over } = await serve((_, response) => {
    response.write('first');
    streaming.resolve(response);
  });
  const answer = await fetch(url);
  expect(active()).toBe(1);
  (await streaming.promise).end('last');
  expect(await answer.text()).toBe('firstlast');
  await over;
  expect(outcomes()).toEqual([{ outcome: 'ok', error: undefined, value: 1 }]);
});

test.each([
  { when: 'before the answer', listener: () => {} },
  {
    when: 'in the middle of it',
    listener: (_: unknown, response: ServerResponse) => response.write('first'),
  },
])('a client that leaves $when has cancelled', async ({ listener }) => {
  const abort = new AbortController();
  const { url, over } = await serve((request, response) => {
    listener(request, response);
    setImmediate(() => abort.abort());
  });
  await fetch(url, { signal: abort.signal })
    .then(response => response.text())
    .catch(() => {});
  await over;
  expect(outcomes()).toEqual([{ outcome: 'cancelled', error: 'cancelled', value: 1 }]);
});

test('a server that breaks its answer off has failed', async () => {
  const { url, over } = await serve((_, response) => {
    response.write('first');
    response.destroy(new Error('the model died'));
  });
  await fetch(url)
    .then(response => response.text())
    .catch(() => {});
  await over;
  expect(outcomes()).toEqual([{ outcome: 'error', error: '_OTHER', value: 1 }]);
});

test('scrapes are no requests of a model, and after the end nothing is', async () => {
  const answer = async (_: unknown, response: ServerResponse) => void response.end('page');
  const page = openEndpoint({ host: '127.0.0.1', port: 0, tls: undefined, bearerToken: undefined, answer });
  await page.ready;
  await (await fetch(page.url()!)).text();
  await page.close();
  stop();
  const { url, over } = await serve((_, response) => response.end());
  await fetch(url);
  await over;
  expect(outcomes()).toEqual([]);
});
