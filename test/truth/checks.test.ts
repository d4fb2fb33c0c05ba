import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Instrumentation, init, type MeasuredRequest } from '@neuroweaver/instrumentation';
import express, { type Request, type Response } from 'express';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ModelState } from '../../controller/src/assess/assess.ts';
import { assessModels } from '../../controller/src/assess/models.ts';
import { prometheusReader } from '../../controller/src/read/prometheus.ts';
import type { Assessment } from '../../controller/src/types.ts';
import { prose } from '../../instrumentation/test/answers/prose.ts';
import { temporaryFolder } from '../support/databases.ts';
import { policyOf } from '../support/scripted-reader.ts';
import { type RunningServer, startPrometheus } from '../support/servers.ts';

/*
 * Quality without labels, from the answer to the verdict. An Express server answers every request with status 200. Its
 * models are sound for a while; then every other answer of each is broken in a way of its own, and nobody says so. A
 * real Prometheus scrapes it, and the controller's read and assess have nothing but the checks to find it by.
 */

const policy = policyOf(`
detection: { tick_seconds: 1, ingestion_lag_seconds: 0, stale_seconds: 10 }
signals:
  nothing_said: { scores: 'ml_evaluation_score{evaluation_name="empty",source="check"}', critical_threshold: 0.9 }
  cut_off: { scores: 'ml_evaluation_score{evaluation_name="truncated",source="check"}', critical_threshold: 0.9 }
  loops: { scores: 'ml_evaluation_score{evaluation_name="repetition",source="check"}', critical_threshold: 0.9 }
  wrong_shape: { scores: 'ml_evaluation_score{evaluation_name="schema",source="check"}', critical_threshold: 0.9 }
models: { sound: {}, silent: {}, cutting: {}, looping: {}, shapeless: {} }
`);

const checkSignals = ['nothing_said', 'cut_off', 'loops', 'wrong_shape'];
const soundMs = 12_000;
/** What is stated: even severe trouble has to last for 15 s, and the rest is for scrapes and ticks. */
const foundWithinMs = 40_000;
const requestsPerSecond = 20;

/** The signal that finds it, and the broken answer; what is sound is what a person wrote. */
const models: Readonly<Record<string, { readonly signal?: string; readonly broken: string }>> = {
  sound: { broken: `${prose.en![0]}` },
  silent: { signal: 'nothing_said', broken: ' \n' },
  cutting: { signal: 'cut_off', broken: `${prose.en!.join(' ')} And now for the most important` },
  looping: { signal: 'loops', broken: 'I am not sure what to say about this. '.repeat(30) },
  shapeless: { signal: 'wrong_shape', broken: '{"label": "spam", "certainty": ' },
};
const shape = {
  type: 'object',
  required: ['label', 'certainty'],
  properties: { label: { enum: ['spam', 'ham'] }, certainty: { type: 'number' } },
};
const soundAnswer = (model: string, index: number) =>
  model === 'shapeless'
    ? JSON.stringify({ label: index % 3 === 0 ? 'spam' : 'ham', certainty: (index % 10) / 10 })
    : prose.en!.slice(0, 1 + (index % prose.en!.length)).join(' ');

let folder: string;
let ml: Instrumentation;
let server: Server;
let prometheus: RunningServer;
let isBroken = false;

beforeAll(async () => {
  folder = await temporaryFolder();
  ml = init({ port: 0, resources: false });
  server = serveModels().listen(0, '127.0.0.1');
  await Promise.all([ml.ready, once(server, 'listening')]);
  const targets = [new URL(ml.endpoint!).host];
  prometheus = await startPrometheus({
    folder,
    config: JSON.stringify({
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'models', static_configs: [{ targets }] }],
    }),
  });
});

afterAll(async () => {
  await prometheus?.stop();
  server?.close().closeAllConnections();
  await ml?.shutdown();
  await rm(folder, { recursive: true, force: true });
});

function serveModels() {
  const identity = { version: '1', operation: 'chat', provider: 'example' };
  const everyAnswer = { sample: 1, maximumPerSecond: 1_000 };
  const checks = new Map(
    Object.keys(models).map(name => {
      const asked =
        name === 'shapeless'
          ? { schema: shape }
          : ({ empty: true, truncated: 'prose', repetition: true } as const);
      return [name, ml.model({ ...identity, name }).checks({ ...everyAnswer, ...asked })];
    }),
  );
  const served = new Map<string, number>();
  const name = (request: Request) => request.params.model;
  const app = express();
  app.use('/v1/:model', ml.measure({ ...identity, name, names: Object.keys(models) }));
  app.get('/v1/:model', (request, response: Response<unknown, { measured: MeasuredRequest }>) => {
    const { model } = request.params;
    const index = (served.get(model) ?? 0) + 1;
    served.set(model, index);
    const text = isBroken && index % 2 === 0 ? models[model]!.broken : soundAnswer(model, index);
    checks.get(model)!.observe({ text, finishReason: 'stop' });
    response.locals.measured.tokens({ output: text.split(' ').length });
    response.type('text').send(text);
  });
  return app;
}

test('answers with status 200 that became empty, cut off, looping or shapeless are found by the checks alone', async () => {
  const sending = new AbortController();
  const sent = Promise.all(Object.keys(models).map(model => send(model, sending.signal)));
  const foundAt = await findAll().finally(() => sending.abort());
  expect((await sent).flat().every(status => status === 200)).toBe(true);
  expect([...foundAt.keys()].toSorted()).toEqual(['cutting', 'looping', 'shapeless', 'silent']);
  for (const [model, ms] of foundAt) expect(ms, model).toBeGreaterThan(0);
  for (const [model, ms] of foundAt) expect(ms, model).toBeLessThanOrEqual(foundWithinMs);
}, 120_000);

/** By model, how long it took from the change; ends when all are found or it took too long. */
async function findAll(): Promise<ReadonlyMap<string, number>> {
  const foundAt = new Map<string, number>();
  const from = Date.now();
  let changedAt = Number.POSITIVE_INFINITY;
  for await (const { at, assessments } of followTicks(from)) {
    if (at >= from + soundMs && !isBroken) {
      isBroken = true;
      changedAt = Date.now();
    }
    for (const [model, { signal }] of Object.entries(models)) {
      const degraded = degradedSignals(assessments.get(model)!);
      expect(degraded, `${model} after ${at - from} ms`).toEqual(degraded.length > 0 ? [signal] : []);
      if (degraded.length > 0 && !foundAt.has(model)) foundAt.set(model, at - changedAt);
    }
    if (foundAt.size === Object.keys(models).length - 1 || at > changedAt + foundWithinMs) break;
  }
  return foundAt;
}

interface Tick {
  readonly at: number;
  readonly assessments: ReadonlyMap<string, Assessment>;
}

/** What the controller thinks at every second; the test may run late, and still asks about that second. */
async function* followTicks(from: number): AsyncGenerator<Tick> {
  const reader = prometheusReader({ url: prometheus.url, timeoutMs: 10_000 });
  const memory = new Map<string, ModelState>();
  for (let at = from; ; at += policy.detection.tickMs) {
    await delay(Math.max(0, at - Date.now()));
    const readings = await reader.read(policy, at);
    expect(readings.problem).toBeUndefined();
    yield { at, assessments: assessModels(policy, memory, readings, new Map()) };
  }
}

function degradedSignals({ signals }: Assessment): readonly string[] {
  const degraded = signals.filter(({ verdict }) => verdict.kind === 'degraded');
  expect(signals.map(({ signal }) => signal)).toEqual(expect.arrayContaining(checkSignals));
  return degraded.map(({ signal }) => signal);
}

/** One request after the other at an even pace; the status of each. */
async function send(model: string, signal: AbortSignal): Promise<readonly number[]> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/${model}`;
  const statuses: number[] = [];
  for (let at = Date.now(); !signal.aborted; at += 1_000 / requestsPerSecond) {
    const response = await fetch(url);
    await response.text();
    statuses.push(response.status);
    await delay(Math.max(0, at - Date.now()));
  }
  return statuses;
}
