import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type OutgoingHttpHeaders, type Server } from 'node:http';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startPrometheus } from '../../test/support/servers.ts';
import { type Instrumentation, init, type Model } from './index.ts';

let folder: string;
let ml: Instrumentation;
let guarded: Instrumentation;
let textRelay: Server;
let model: Model;
let prometheus: RunningServer;

const token = 'scrapers only';
const spans = new AsyncLocalStorageContextManager();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neuroweaver-scrape-'));
  context.setGlobalContextManager(spans.enable());
  ml = init({ serviceName: 'spam-v1', port: 0 });
  guarded = init({ serviceName: 'spam-v2', port: 0, bearerToken: token, tls: await selfSigned(folder) });
  model = ml.model({ name: 'spam-v1', version: '1', operation: 'classify', provider: 'example' });
  await Promise.all([ml.ready, guarded.ready]);
  textRelay = await startTextRelay(ml.endpoint!);
  const config = `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: models
    static_configs: [{ targets: ['${new URL(ml.endpoint!).host}'] }]
  - job_name: text
    static_configs: [{ targets: ['127.0.0.1:${(textRelay.address() as AddressInfo).port}'] }]
  - job_name: guarded
    scheme: https
    authorization: { credentials: '${token}' }
    tls_config: { ca_file: '${join(folder, 'cert.pem')}' }
    static_configs: [{ targets: ['${new URL(guarded.endpoint!).host}'] }]
`;
  prometheus = await startPrometheus({ config, folder }, ['exemplar-storage']);
});
afterAll(async () => {
  await prometheus?.stop();
  await ml?.shutdown();
  await guarded?.shutdown();
  textRelay?.close();
  context.disable();
  await rm(folder, { recursive: true, force: true });
});

async function selfSigned(at: string): Promise<{ key: string; cert: string }> {
  const [key, cert] = [join(at, 'key.pem'), join(at, 'cert.pem')];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1'];
  const files = ['-keyout', key, '-out', cert];
  await promisify(execFile)('openssl', ['req', '-x509', ...newKey, ...subject, ...files]);
  return { key, cert };
}

/** Prometheus asks for OpenMetrics; this asks for the text on its behalf. */
async function startTextRelay(endpoint: string): Promise<Server> {
  const relay = createServer(async (_, response) => {
    const page = await fetch(endpoint, { headers: { accept: 'text/plain' } });
    response.setHeader('content-type', page.headers.get('content-type')!);
    response.end(await page.text());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return relay;
}

test('promtool finds nothing to complain about on the page', async () => {
  record();
  const page = await (await fetch(ml.endpoint!)).text();
  const promtool = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const closed = once(promtool, 'close');
  const complaints: string[] = [];
  promtool.stdout.on('data', chunk => complaints.push(String(chunk)));
  promtool.stderr.on('data', chunk => complaints.push(String(chunk)));
  promtool.stdin.end(page);
  const [code] = await closed;
  expect(complaints.join('')).toBe('');
  expect(code).toBe(0);
});

test.each(['models', 'text', 'guarded'])('Prometheus takes the page of %s', async job => {
  expect(await untilAnswered(`up{job="${job}"}`, value => value === 1)).toBe(1);
  const zeros = `count(ml_telemetry_rejected_total{job="${job}"} == 0)`;
  expect(await untilAnswered(zeros, () => true)).toBeGreaterThan(10);
});

test('without the token the page is nobody else’s', async () => {
  const response = await guardedStatus({});
  expect(response).toBe(401);
  expect(await guardedStatus({ authorization: 'Bearer wrong' })).toBe(401);
  expect(await guardedStatus({ authorization: `Bearer ${token}` })).toBe(200);
});

async function guardedStatus(headers: OutgoingHttpHeaders): Promise<number | undefined> {
  const ca = await readFile(join(folder, 'cert.pem'));
  const [response] = await once(get(guarded.endpoint!, { ca, headers, agent: false }), 'response');
  response.resume();
  return response.statusCode;
}

test('a slow request leads to its trace', async () => {
  const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
  const active = trace.setSpanContext(ROOT_CONTEXT, span);
  // From the first scrape on it is known that spans are kept.
  await untilAnswered('up{job="models"}', value => value === 1);
  context.with(active, () => model.end(model.start()));
  const query = 'gen_ai_server_request_duration_bucket{job="models"}';
  const found = await untilFound(() => exemplarsOf(query));
  expect(found).toMatchObject([{ labels: { trace_id: span.traceId, span_id: span.spanId } }]);
});

async function exemplarsOf(query: string): Promise<unknown[]> {
  const window = { start: `${Date.now() / 1000 - 600}`, end: `${Date.now() / 1000 + 600}` };
  const url = `${prometheus.url}/api/v1/query_exemplars?${new URLSearchParams({ query, ...window })}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  const answer = (await response.json()) as { data: { exemplars: unknown[] }[] };
  return answer.data.flatMap(series => series.exemplars);
}

test('Prometheus scrapes the page, and sees the first failure because its counter stood at zero', async () => {
  const refused = 'ml_server_requests_total{job="models", outcome="error", error_type="connection_refused"}';
  expect(await untilAnswered(refused, value => value === 0)).toBe(0);
  model.fail(model.start(), { code: 'ECONNREFUSED' });
  expect(await untilAnswered(`increase(${refused}[1m])`, value => value > 0)).toBeGreaterThan(0);
});

test('the mean score can be asked back from the bucket counts alone', async () => {
  record();
  // For scores on the edges 0, 0.1 … 1 the mean is 1 − 0.1 × the share at or below each edge but the last, summed.
  const atOrBelow = 'sum(ml_evaluation_score_bucket{job="models", le!~"1|1[.]0|[+]Inf"})';
  const mean = `1 - 0.1 * ${atOrBelow} / sum(ml_evaluation_score_bucket{job="models", le="+Inf"})`;
  expect(await untilAnswered(mean, value => !Number.isNaN(value))).toBeCloseTo(0.6, 6);
});

test('the process start is what tells a restart from a counter reset', async () => {
  const startSeconds = await untilAnswered('process_start_time_seconds', () => true);
  expect(startSeconds).toBeCloseTo(performance.timeOrigin / 1000, 2);
});

/** An answered request and scores with a mean of 0.6. */
function record(): void {
  model.end(model.start());
  model.evaluate('accuracy', 0.2);
  model.evaluate('accuracy', 1);
}

const queryPauseMs = 100;
const queryDeadlineMs = 20_000;

/** The first answer with something in it. */
async function untilFound(find: () => Promise<unknown[]>): Promise<unknown[]> {
  const deadline = AbortSignal.timeout(queryDeadlineMs);
  while (!deadline.aborted) {
    const found = await find();
    if (found.length > 0) return found;
    await delay(queryPauseMs);
  }
  throw new Error(`Prometheus found nothing within ${queryDeadlineMs} ms`);
}

/** The first answer to the query that is accepted. */
async function untilAnswered(query: string, accept: (value: number) => boolean): Promise<number> {
  const deadline = AbortSignal.timeout(queryDeadlineMs);
  let last: number | undefined;
  while (!deadline.aborted) {
    last = await ask(query);
    if (last !== undefined && accept(last)) return last;
    await delay(queryPauseMs);
  }
  throw new Error(`Prometheus gave no acceptable answer to ${query} within ${queryDeadlineMs} ms: ${last}`);
}

async function ask(query: string): Promise<number | undefined> {
  const url = `${prometheus.url}/api/v1/query?${new URLSearchParams({ query })}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  const answer = (await response.json()) as { data: { result: { value: [number, string] }[] } };
  const [first] = answer.data.result;
  return first && Number(first.value[1]);
}
