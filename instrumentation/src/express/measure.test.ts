import { once } from 'node:events';
import { createServer, get, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type Request, type Response } from 'express';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Sample, samplesOf } from '../../test/page.ts';
import { type Instrumentation, init, type MeasuredRequest, type Model } from '../index.ts';

const identity = { name: 'chat-1', version: '1', operation: 'chat', provider: 'p' };
let ml: Instrumentation;
let model: Model;
const servers: Server[] = [];

beforeEach(async () => {
  ml = init({ port: 0, resources: false });
  await ml.ready;
  model = ml.model(identity);
});

afterEach(async () => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  await ml.shutdown();
});

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat`);
}

/** Express says what it cannot answer on standard error, but not in tests. */
const app = () => express().set('env', 'test');

const measuredOf = (response: Response) => response.locals.measured as MeasuredRequest;

async function samples(name: string, labels = {}): Promise<Sample[]> {
  return samplesOf(await (await fetch(ml.endpoint!)).text(), name, labels);
}

/** What was counted, as `outcome` or `outcome error_type`, and how often; nothing is open any more. */
async function outcomes(name = 'chat-1'): Promise<Record<string, number>> {
  const counted = await samples('ml_server_requests_total', { gen_ai_request_model: name });
  const happened = counted.filter(({ value }) => value > 0);
  const [open] = await samples('ml_server_active_requests', { gen_ai_request_model: name });
  return {
    ...(open?.value !== 0 && { open: open!.value }),
    ...Object.fromEntries(
      happened.map(({ labels, value }) => [
        [labels.outcome, labels.error_type].filter(Boolean).join(' '),
        value,
      ]),
    ),
  };
}

const countOf = async (histogram: string) => (await samples(`${histogram}_count`))[0]?.value;
const rejected = async (reason: string) =>
  (await samples('ml_telemetry_rejected_total', { reason }))[0]?.value;

test.each([
  { status: 200, counted: 'ok' },
  { status: 204, counted: 'ok' },
  { status: 304, counted: 'ok' },
  { status: 400, counted: 'cancelled cancelled' },
  { status: 401, counted: 'cancelled cancelled' },
  { status: 404, counted: 'cancelled cancelled' },
  { status: 422, counted: 'cancelled cancelled' },
  { status: 408, counted: 'timeout timeout' },
  { status: 429, counted: 'error rate_limited' },
  { status: 500, counted: 'error model_error' },
  { status: 503, counted: 'error unavailable' },
  { status: 504, counted: 'timeout timeout' },
])('an answer with $status is $counted', async ({ status, counted }) => {
  const answer = (_: Request, response: Response) => void response.status(status).end();
  const url = await serve(app().use('/v1/chat', ml.measure(model)).post('/v1/chat', answer));
  expect((await fetch(url, { method: 'POST' })).status).toBe(status);
  expect(await outcomes()).toEqual({ [counted]: 1 });
});

test('the model begins with the request, or when the handler says so', async () => {
  const server = app().post('/v1/chat', ml.measure(model), (_, response) => void response.json({}));
  await fetch(await serve(server), { method: 'POST' });
  expect(await countOf('ml_server_inference_duration')).toBe(1);
  const queued = ml.model({ ...identity, name: 'queued' });
  const late = app().use(ml.measure(queued, { queue: true }), (request, response) => {
    if (request.query.begin) measuredOf(response).begin();
    response.json({});
  });
  const url = await serve(late);
  await fetch(url);
  await fetch(`${url}?begin=1`);
  const counts = await samples('ml_server_queue_duration_count', { gen_ai_request_model: 'queued' });
  expect(counts[0]?.value).toBe(1);
  expect(await outcomes('queued')).toEqual({ ok: 2 });
});

test('a handler that throws has failed, before its first byte and after it', async () => {
  const failing = app().use(ml.measure(model), async (request, response) => {
    if (request.query.late) response.write('Once upon a');
    throw new Error('the model is gone');
  });
  const url = await serve(failing);
  expect((await fetch(url)).status).toBe(500);
  expect(await outcomes()).toEqual({ 'error model_error': 1 });
  await expect(fetch(`${url}?late=1`).then(response => response.text())).rejects.toThrow();
  expect(await outcomes()).toEqual({ 'error model_error': 1, 'error _OTHER': 1 });
});

test.each([
  { how: 'closes the connection', leave: 'destroy' },
  { how: 'resets it', leave: 'resetAndDestroy' },
] as const)('a caller who $how has left, whatever the handler does then', async ({ leave }) => {
  const answered = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const slow = app().use(ml.measure(model), async (_, response) => {
    response.write('Once upon a');
    begun.resolve();
    await once(response, 'close');
    measuredOf(response).token();
    response.end(' time');
    answered.resolve();
  });
  const url = await serve(slow);
  const caller = connect(Number(url.port), url.hostname);
  caller.on('error', () => {});
  caller.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await begun.promise;
  caller[leave]();
  await answered.promise;
  expect(await outcomes()).toEqual({ 'cancelled cancelled': 1 });
  expect(await rejected('stale_ticket')).toBe(0);
});

test('a caller who left before the request was seen leaves nothing open', async () => {
  const seen = Promise.withResolvers<void>();
  const late = app().use(
    async (_, response, next) => {
      await once(response, 'close');
      next();
    },
    ml.measure(model),
    () => seen.resolve(),
  );
  const url = await serve(late);
  const caller = connect(Number(url.port), url.hostname, () => {
    caller.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n', () => caller.destroy());
  });
  await seen.promise;
  expect(await outcomes()).toEqual({});
});

test('the first byte of a streamed answer is its first token, where that is asked for', async () => {
  const streaming = app().use(ml.measure(model, { firstByte: true }), async (_, response) => {
    response.flushHeaders();
    await delay(30);
    response.write('Once upon');
    await delay(30);
    response.end(' a time');
  });
  const url = await serve(streaming);
  expect(await (await fetch(url)).text()).toBe('Once upon a time');
  expect(await countOf('gen_ai_server_time_to_first_token')).toBe(1);
  const [first] = await samples('gen_ai_server_time_to_first_token_sum');
  const [whole] = await samples('gen_ai_server_request_duration_sum', { gen_ai_request_model: 'chat-1' });
  expect(first!.value).toBeGreaterThan(0.025);
  expect(whole!.value - first!.value).toBeGreaterThan(0.025);
});

test('the first byte may be the last, and an answer without a body has none', async () => {
  const answers = app().use(ml.measure(model, { firstByte: true }), (request, response) => {
    if (request.query.empty) response.status(204).end();
    else response.json({ text: 'Once' });
  });
  const url = await serve(answers);
  expect(await (await fetch(url)).json()).toEqual({ text: 'Once' });
  expect((await fetch(`${url}?empty=1`)).status).toBe(204);
  expect(await countOf('gen_ai_server_time_to_first_token')).toBe(1);
});

test('the handler says what the status does not', async () => {
  const telling = app().use(ml.measure(model), async (request, response) => {
    const measured = measuredOf(response);
    async function* answer() {
      yield 'Once';
      if (request.query.break) throw new Error('CUDA out of memory');
      yield ' upon';
    }
    try {
      for await (const token of measured.stream(answer())) response.write(token);
      measured.tokens({ input: 7, output: 2 });
      measured.model.evaluate('accuracy', 1);
    } catch {
      response.write('\n[the answer broke off]');
    }
    response.end();
  });
  const url = await serve(telling);
  await (await fetch(url)).text();
  expect(await (await fetch(`${url}?break=1`)).text()).toContain('broke off');
  expect(await outcomes()).toEqual({ ok: 1, 'error out_of_memory': 1 });
  expect(await countOf('gen_ai_server_time_per_output_token')).toBe(1);
  expect(await countOf('ml_evaluation_score')).toBe(1);
  expect((await samples('ml_server_tokens_total')).map(({ value }) => value)).toEqual([7, 2]);
});

test('an answered request is remembered by its id, for feedback; one that failed is not', async () => {
  const requestId = (request: Request) => request.get('x-request-id');
  const server = app().use(ml.measure(model, { requestId }), (request, response) => {
    response.status(Number(request.query.status ?? 200)).json({});
  });
  const url = await serve(server);
  await fetch(url, { headers: { 'x-request-id': 'first' } });
  await fetch(`${url}?status=500`, { headers: { 'x-request-id': 'second' } });
  await fetch(url);
  expect(ml.feedback('first', 1)).toBe('recorded');
  expect(ml.feedback('second', 1)).toBe('unknown_request');
  expect(await rejected('invalid_request_id')).toBe(0);
});

test('the request may say which model answers it', async () => {
  const server = app();
  server.use('/v1/:model', ml.measure({ ...identity, name: (request: Request) => request.params.model }));
  server.use((_, response) => void response.json({}));
  const url = await serve(server);
  for (const name of ['large', 'small', 'large']) await fetch(new URL(`/v1/${name}`, url));
  expect(await outcomes('large')).toEqual({ ok: 2 });
  expect(await outcomes('small')).toEqual({ ok: 1 });
});

test('what callers send makes no series without end', async () => {
  const named = { ...identity, name: (request: Request) => `${request.query.model}` };
  const url = await serve(
    app()
      .use('/any', ml.measure(named))
      .use('/known', ml.measure({ ...named, names: ['large'], version: '2' }))
      .use((_, response) => void response.json({})),
  );
  for (let index = 0; index < 40; index++) await fetch(new URL(`/any?model=${index}`, url));
  await fetch(new URL(`/any?model=${'x'.repeat(200)}`, url));
  expect(await outcomes('31')).toEqual({ ok: 1 });
  expect(await samples('ml_server_active_requests', { gen_ai_request_model: '32' })).toEqual([]);
  expect(await outcomes('_OTHER')).toEqual({ ok: 9 });
  await fetch(new URL('/known?model=large', url));
  await fetch(new URL('/known?model=small', url));
  const second = await samples('ml_server_requests_total', { ml_model_version: '2', outcome: 'ok' });
  expect(second.map(({ labels, value }) => [labels.gen_ai_request_model, value])).toEqual([
    ['large', 1],
    ['_OTHER', 1],
  ]);
  expect(await rejected('too_many_models')).toBe(9);
  expect(await rejected('invalid_model_name')).toBe(1);
});

test('callbacks that throw cost the server nothing, and are counted', async () => {
  const broken = (): never => {
    throw new Error('out of order');
  };
  const url = await serve(
    app()
      .use('/id', ml.measure(model, { requestId: broken }))
      .use('/name', ml.measure({ ...identity, name: broken }))
      .use('/none', ml.measure({ ...identity, version: '2', name: () => undefined }))
      .use((_, response) => void response.json({})),
  );
  for (const path of ['/id', '/name', '/none']) expect((await fetch(new URL(path, url))).status).toBe(200);
  expect(await rejected('failed_callback')).toBe(2);
  expect(await outcomes()).toEqual({ ok: 1 });
  const others = await samples('ml_server_requests_total', { gen_ai_request_model: '_OTHER', outcome: 'ok' });
  expect(others.map(({ value }) => value)).toEqual([1]);
});

test('what goes wrong in it goes on to the handler all the same', async () => {
  const broken = () => {
    throw new Error('out of order');
  };
  const url = await serve(
    app().use(ml.measure({ ...model, start: broken }), (_, response) => void response.json({})),
  );
  expect((await fetch(url)).status).toBe(200);
  expect(await rejected('internal_error')).toBe(1);
});

test('a preflight is no request of a model', async () => {
  const url = await serve(app().use(ml.measure(model), (_, response) => void response.json({})));
  expect((await fetch(url, { method: 'OPTIONS' })).status).toBe(200);
  expect(await outcomes()).toEqual({});
});

test('a plain server has it in its first line, and connections are kept alive', async () => {
  const measure = ml.measure(model, { firstByte: true });
  const url = await serve((request, response) => {
    measure(request, response);
    response.end('Once');
  });
  for (let index = 0; index < 3; index++) expect(await (await fetch(url)).text()).toBe('Once');
  expect(await outcomes()).toEqual({ ok: 3 });
  expect(await countOf('gen_ai_server_time_to_first_token')).toBe(3);
});

test('two that see the same request measure it each for its own model', async () => {
  const outer = ml.model({ ...identity, name: 'outer' });
  const url = await serve(
    app().use(ml.measure(outer), ml.measure(model), (_, response) => void response.json({})),
  );
  await fetch(url);
  expect(await outcomes('outer')).toEqual({ ok: 1 });
  expect(await outcomes()).toEqual({ ok: 1 });
});

test('a server that ends with answers under way has broken them off', async () => {
  const begun = Promise.withResolvers<void>();
  const url = await serve(
    app().use(ml.measure(model), (_, response) => {
      response.write('Once');
      begun.resolve();
    }),
  );
  const caller = get(url, { agent: false }).on('error', () => {});
  await begun.promise;
  const closed = once(caller, 'close');
  servers[0]!.closeAllConnections();
  await closed;
  expect(await outcomes()).toEqual({ 'error _OTHER': 1 });
});

test.each([undefined, null, {}, { name: 'chat-1' }])(
  '%s is neither a model nor says how to find one',
  given => {
    expect(() => ml.measure(given as never)).toThrow(
      'measure(): give a model of ml.model(), or { name: request => …',
    );
  },
);
