import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { metrics, prometheusName } from '@neuroweaver/instrumentation/metrics';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PrometheusClient, prometheusClient } from '../../controller/src/read/client.ts';
import { type Running, startProcess } from '../../deploy/demo/processes.ts';
import { temporaryFolder } from '../support/databases.ts';
import { freePort, type RunningServer, startPrometheus } from '../support/servers.ts';

/*
 * The examples as a newcomer starts them, each a process of its own. A real Prometheus scrapes them while they serve,
 * and holds every metric that such a server has, with the numbers of what was asked of it.
 */

const names = ['express-onnx', 'streaming'] as const;
type Example = (typeof names)[number];

let folder: string;
const examples = new Map<Example, Running>();
let prometheus: RunningServer;
let client: PrometheusClient;

beforeAll(async () => {
  folder = await temporaryFolder();
  const jobs = [];
  for (const name of names) {
    const metricsPort = await freePort();
    examples.set(name, await start(name, metricsPort));
    jobs.push({ job_name: name, static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] });
  }
  const config = JSON.stringify({ global: { scrape_interval: '1s' }, scrape_configs: jobs });
  prometheus = await startPrometheus({ config, folder });
  client = prometheusClient({ url: prometheus.url, timeoutMs: 5_000 });
}, 180_000);

afterAll(async () => {
  await prometheus?.stop();
  for (const example of examples.values()) await example.stop();
  await rm(folder, { recursive: true, force: true });
});

function start(name: Example, metricsPort: number): Promise<Running> {
  return startProcess({
    name,
    command: [fileURLToPath(new URL(`../../instrumentation/examples/${name}/server.ts`, import.meta.url))],
    logFile: join(folder, `${name}.log`),
    environment: { PORT: '0', OTEL_EXPORTER_PROMETHEUS_PORT: `${metricsPort}` },
  });
}

test('flowers are classified by an ONNX model behind Express', { timeout: 60_000 }, async () => {
  const { url } = examples.get('express-onnx')!;
  const ids: string[] = [];
  for (const [lengths, species] of flowers) {
    const response = await post(`${url}/v1/classify`, { lengths });
    expect(((await response.json()) as { species: string }).species).toBe(species);
    ids.push(response.headers.get('x-request-id')!);
  }
  expect((await post(`${url}/v1/classify`, { lengths: 'long' })).status).toBe(400);
  const truth = { request_id: ids[0], name: 'accuracy', score: 1 };
  expect((await post(`${url}/feedback`, truth)).status).toBe(202);
  expect((await post(`${url}/feedback`, { request_id: ids[1], rating: 4 })).status).toBe(202);

  const ofModel = 'job="express-onnx",gen_ai_request_model="iris",ml_model_version="1"';
  await settle({
    [`ml_server_requests_total{${ofModel},outcome="ok"}`]: flowers.length,
    [`ml_server_requests_total{${ofModel},outcome="cancelled"}`]: 1,
    [`sum(ml_server_requests_total{${ofModel},outcome=~"error|timeout"})`]: 0,
    [`gen_ai_server_request_duration_count{${ofModel}}`]: flowers.length,
    [`ml_server_queue_duration_count{${ofModel}}`]: flowers.length,
    [`ml_server_inference_duration_count{${ofModel}}`]: flowers.length,
    [`ml_evaluation_score_sum{${ofModel},evaluation_name="accuracy",source="label"}`]: 1,
    [`ml_feedback_rating_sum{${ofModel}}`]: 0.75,
    [`ml_server_active_requests{${ofModel}}`]: 0,
    'sum(ml_telemetry_rejected_total{job="express-onnx"})': 0,
  });
  expect(await namesOf('express-onnx')).toEqual(
    metricsOfServers.filter(name => name !== metrics.unscored.name),
  );
});

test('sentences are streamed by a text generator behind a plain server', { timeout: 60_000 }, async () => {
  const { url } = examples.get('streaming')!;
  const said = await Promise.all(
    prompts.map(async prompt => (await post(url, { prompt, words: 60 })).text()),
  );
  const words = said.map(text => text.trim().split(' ').length);
  expect((await post(url, { prompt: 7 })).status).toBe(400);
  await leaveEarly(url);

  const ofModel = 'job="streaming",gen_ai_request_model="moby-dick",ml_model_version="1"';
  const output = words.reduce((sum, count) => sum + count, 0);
  const scored = ['empty', 'truncated', 'repetition'].map(check => [
    `ml_evaluation_score_count{${ofModel},evaluation_name="${check}"}`,
    prompts.length,
  ]);
  await settle({
    ...Object.fromEntries(scored),
    [`ml_server_requests_total{${ofModel},outcome="ok"}`]: prompts.length,
    [`ml_server_requests_total{${ofModel},outcome="cancelled"}`]: 2,
    [`sum(ml_server_requests_total{${ofModel},outcome=~"error|timeout"})`]: 0,
    [`gen_ai_server_time_to_first_token_count{${ofModel}}`]: prompts.length,
    [`gen_ai_server_time_per_output_token_count{${ofModel}} > bool 0`]: 1,
    [`ml_server_tokens_total{${ofModel},gen_ai_token_type="output"}`]: output,
    [`ml_server_active_requests{${ofModel}}`]: 0,
    'sum(ml_telemetry_rejected_total{job="streaming"})': 0,
  });
  expect(await namesOf('streaming')).toEqual(metricsOfServers);
});

test.each(names)('%s has a README that says how to start it', async name => {
  const readme = await readFile(
    new URL(`../../instrumentation/examples/${name}/README.md`, import.meta.url),
    'utf8',
  );
  expect(readme).toContain(`instrumentation/examples/${name}/server.ts`);
});

const flowers: readonly (readonly [readonly number[], string])[] = [
  [[5.1, 3.5, 1.4, 0.2], 'setosa'],
  [[6.1, 2.8, 4.7, 1.2], 'versicolor'],
  [[6.7, 3.3, 5.7, 2.5], 'virginica'],
];

const prompts = ['Call me', 'the white', 'upon the', 'of the', 'in the', 'and the'];

/** Everything but what gateways and GPUs have. */
const metricsOfServers = Object.values(metrics)
  .map(({ name }) => name)
  .filter(name => !/^(relaycore\.gateway|hw\.gpu)\./.test(name));

/** The metrics of ours that a job has in Prometheus. */
async function namesOf(job: string): Promise<readonly string[]> {
  const samples = await client.instant('names', `count by (__name__) ({job="${job}"})`, Date.now());
  const found = new Set(samples.map(({ labels }) => labels.__name__?.replace(/_count$/, '')));
  return Object.values(metrics)
    .filter(metric => found.has(prometheusName(metric)))
    .map(({ name }) => name);
}

/** The caller goes away before the server has the whole request. */
async function leaveEarly(url: string): Promise<void> {
  const { port, hostname } = new URL(url);
  const caller = connect(Number(port), hostname);
  await once(caller, 'connect');
  caller.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"prompt": ', () =>
    caller.destroy(),
  );
  await once(caller, 'close');
}

function post(url: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(20_000);
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal });
}

/** Waits until Prometheus answers every query with its value. */
async function settle(wanted: Readonly<Record<string, number>>): Promise<void> {
  const deadline = AbortSignal.timeout(40_000);
  for (;;) {
    const at = Date.now();
    const samples = await Promise.all(
      Object.keys(wanted).map(promql => client.instant('settle', promql, at)),
    );
    const found = Object.fromEntries(Object.keys(wanted).map((promql, i) => [promql, samples[i]![0]?.value]));
    if (deadline.aborted) return expect(found).toEqual(wanted);
    if (Object.entries(wanted).every(([promql, value]) => found[promql] === value)) return;
    await delay(50);
  }
}
