import { once } from 'node:events';
import { IncomingMessage, type Server, ServerResponse } from 'node:http';
import { type AddressInfo, connect, Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { metrics as globalMetrics } from '@opentelemetry/api';
import express, { type Response } from 'express';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { samplesOf, sampleValue } from '../test/page.ts';
import { type Instrumentation, init, type MeasuredRequest, type Model } from './index.ts';

/*
 * Whatever goes wrong in the telemetry, the server goes on serving, and what was lost is counted. Each part has tests of
 * its own; here a real server has all of them.
 */

const identity = { name: 'chat-1', version: '1', operation: 'chat', provider: 'p' };
let ml: Instrumentation;
let model: Model;
let server: Server;
/** What the handler does besides answering. */
let inHandler: (measured: MeasuredRequest) => void;

beforeEach(async () => {
  inHandler = () => {};
  ml = init({ port: 0, remember: { maximum: 1_000 } });
  model = ml.model(identity);
  const requestId = () => 'first';
  const app = express();
  app.use(
    ml.measure(model, { requestId }),
    (_, response: Response<unknown, { measured: MeasuredRequest }>) => {
      inHandler(response.locals.measured);
      response.json({});
    },
  );
  server = app.listen(0, '127.0.0.1');
  await Promise.all([ml.ready, once(server, 'listening')]);
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  server.close().closeAllConnections();
  await ml.shutdown();
});

async function serves(): Promise<boolean> {
  const { port } = server.address() as AddressInfo;
  return (await fetch(`http://127.0.0.1:${port}/`)).status === 200;
}

/** Over a connection of its own: one that is kept alive can end just when it is used again. */
const page = async () => (await fetch(ml.endpoint!, { headers: { connection: 'close' } })).text();
const rejected = async (reason: string) =>
  sampleValue(await page(), 'ml_telemetry_rejected_total', { reason });
const answered = async () =>
  samplesOf(await page(), 'ml_server_requests_total', { outcome: 'ok' }).map(({ value }) => value);

test('callbacks that throw, in the application and at the judge', async () => {
  const throwing = () => {
    throw new Error('out of order');
  };
  const meter = globalMetrics.getMeter('application');
  meter.createObservableGauge('broken').addCallback(throwing);
  const judge = model.judge('helpful', throwing, { sample: 1 });
  inHandler = () => judge.observe('an answer');
  expect(await serves()).toBe(true);
  await vi.waitFor(async () => {
    const unscored = samplesOf(await page(), 'ml_evaluation_unscored_total', { reason: 'error' });
    expect(unscored.map(({ value }) => value)).toEqual([1]);
  });
  expect(await answered()).toEqual([1]);
});

test('attributes of the application that become the same label', async () => {
  inHandler = () => globalMetrics.getMeter('application').createCounter('mails').add(1, { 'a.b': 1, a_b: 2 });
  expect(await serves()).toBe(true);
  expect(samplesOf(await page(), 'mails_total')[0]?.labels).toEqual({ a_b: '1;2' });
  expect(await rejected('colliding_labels')).toBeGreaterThan(0);
  expect(await answered()).toEqual([1]);
});

test('numbers that are none, or negative', async () => {
  inHandler = measured => {
    measured.tokens({ input: Number.NaN, output: -1 });
    measured.token(-1);
    measured.model.evaluate('accuracy', Number.NaN);
    measured.model.feedback(-1);
  };
  expect(await serves()).toBe(true);
  expect(await rejected('invalid_token_count')).toBe(2);
  expect(await rejected('invalid_score')).toBe(1);
  expect(await rejected('invalid_rating')).toBe(1);
  expect(await answered()).toEqual([1]);
});

test.each(['1970-01-01', '2100-01-01'])('a system clock that jumps to %s', async date => {
  const startedAt = sampleValue(await page(), 'process_start_time_seconds');
  inHandler = () => vi.useFakeTimers({ toFake: ['Date'], now: new Date(date) });
  expect(await serves()).toBe(true);
  expect(new Date().getUTCFullYear()).toBe(Number(date.slice(0, 4)));
  expect(sampleValue(await page(), 'process_start_time_seconds')).toBe(startedAt);
  const durations = samplesOf(await page(), 'gen_ai_server_request_duration_sum', { ml_model_version: '1' });
  expect(durations.map(({ value }) => value < 30)).toEqual([true]);
  expect(ml.feedback('first', 1)).toBe('recorded');
  expect(await answered()).toEqual([1]);
});

test('a clock of the process that goes back', async () => {
  const now = performance.now.bind(performance);
  inHandler = () => vi.spyOn(performance, 'now').mockImplementation(() => now() - 3_600_000);
  expect(await serves()).toBe(true);
  vi.restoreAllMocks();
  expect(await rejected('invalid_duration')).toBeGreaterThan(0);
  expect(await answered()).toEqual([1]);
});

test('a scraper that hangs up in the middle of a long page', async () => {
  for (let index = 0; index < 300; index++) ml.model({ ...identity, name: `model-${index}` });
  const { port, hostname } = new URL(ml.endpoint!);
  for (let scrape = 0; scrape < 3; scrape++) {
    const scraper = connect(Number(port), hostname);
    scraper.write('GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(scraper, 'data');
    scraper.destroy();
    expect(await serves()).toBe(true);
  }
  const whole = await page();
  expect(whole.match(/^ml_server_active_requests\{/gm)).toHaveLength(301);
  expect(whole).toContain('ml_telemetry_rejected_total{reason="internal_error"} 0\n');
});

test('a hundred thousand names, ids and evaluations leave memory flat and the page at its limit', async () => {
  const measure = ml.measure({ ...identity, version: '2', name: request => request.url });
  const lines: number[] = [];
  const bytes: number[] = [];
  for (let index = 0; index < 100_000; index++) {
    answer(measure, `model-${index}`);
    model.remember(`request-${index}`);
    model.evaluate(`name-${index}`, 1);
    if (index % 10_000 !== 9_999) continue;
    // The event loop's delays are there from its second turn on, which a busy loop may not have had.
    lines.push((await page()).split('\n').filter(line => !line.includes('nodejs_eventloop')).length);
    bytes.push(bytesInUse());
  }
  expect(new Set(lines).size).toBe(1);
  expect(Math.min(...bytes.slice(-4)) - Math.min(...bytes.slice(2, 6))).toBeLessThan(2 ** 20);
  expect(await rejected('too_many_models')).toBe(100_000 - 32);
  expect(await rejected('too_many_evaluation_names')).toBe(100_000 - 32);
  expect(await serves()).toBe(true);
}, 120_000);

/** A request and its response as a server makes them, without a connection. */
function answer(measure: ReturnType<Instrumentation['measure']>, url: string): void {
  const request = Object.assign(new IncomingMessage(new Socket()), { url });
  const response = new ServerResponse(request);
  measure(request, response);
  response.emit('finish');
  response.emit('close');
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function bytesInUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
