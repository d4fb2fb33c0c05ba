import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Instrumentation, init } from '@neuroweaver/instrumentation';
import { compilePolicy, exported, loadPolicy } from '@relaycore/rules';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningServer, startPrometheus } from '../../test/support/servers.ts';
import { dashboards } from './dashboards.ts';
import { unansweredQueries } from './proof.ts';
import { dashboardQueries, everything } from './queries.ts';

/**
 * A real Prometheus with the shipped rules reads two real instrumented models, a gateway, and a page with what the
 * controller exports; then every panel must have something to draw.
 */
const scrapeSeconds = 0.2;
const answerDeadlineMs = 20_000;
const queries = dashboardQueries(Object.values(dashboards()), { ...everything, __rate_interval: '5s' });
const models = ['spam-nb', 'spam-lr'];

let folder: string;
let servers: Instrumentation;
let controller: Server;
let prometheus: RunningServer;
let traffic: NodeJS.Timeout;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relaycore-grafana-'));
  servers = init({ serviceName: 'models-and-gateway', port: 0 });
  await servers.ready;
  controller = createServer((_, response) => response.end(controllerPage()));
  await new Promise<void>(resolve => controller.listen(0, '127.0.0.1', resolve));
  await writeFile(join(folder, 'recording.rules.yml'), await recordingRules());
  const controllerTarget = `127.0.0.1:${(controller.address() as AddressInfo).port}`;
  prometheus = await startPrometheus({
    folder,
    config: config([new URL(servers.endpoint!).host, controllerTarget]),
  });
  traffic = serveTraffic();
});

afterAll(async () => {
  clearInterval(traffic);
  await prometheus?.stop();
  await servers?.shutdown();
  controller?.close();
  await rm(folder, { recursive: true, force: true });
});

it('answers every panel, annotation and variable with numbers', async () => {
  const strict = queries.map(({ mayBeEmpty: _, ...query }) => query);
  const deadline = performance.now() + answerDeadlineMs;
  const ask = () => unansweredQueries(strict, { prometheusUrl: prometheus.url, rangeSeconds: 30 });
  let unanswered = await ask();
  while (unanswered.length > 0 && performance.now() < deadline) {
    await delay(scrapeSeconds * 1000);
    unanswered = await ask();
  }
  expect(unanswered).toEqual([]);
});

it('reports a query of series that nobody has, and one that is no PromQL', async () => {
  const [query] = queries;
  const broken = ['nobody_has_this', 'sum(', '0 / vector(0)'].map(promql => ({ ...query!, promql }));
  const found = await unansweredQueries(broken, { prometheusUrl: prometheus.url });
  expect(found.map(({ problem }) => problem.slice(0, 12))).toEqual([
    'no series',
    'bad_data: in',
    'no number, o',
  ]);
});

it('accepts nothing only from a query that is excused', async () => {
  const excused = { ...queries[0]!, promql: 'nobody_has_this', mayBeEmpty: 'nobody has it' };
  expect(await unansweredQueries([excused], { prometheusUrl: prometheus.url })).toEqual([]);
  const wrong = { ...excused, promql: 'sum(' };
  expect(await unansweredQueries([wrong], { prometheusUrl: prometheus.url })).toHaveLength(1);
});

const config = (targets: readonly string[]) => `
global: { scrape_interval: ${scrapeSeconds * 1000}ms, scrape_timeout: ${scrapeSeconds * 1000}ms, evaluation_interval: 500ms }
rule_files: [recording.rules.yml]
scrape_configs:
  - job_name: relaycore
    static_configs: [{ targets: ${JSON.stringify(targets)} }]
`;

const customSignal =
  'signals: { toxicity: { bad: flagged_total, total: checked_total, critical_threshold: 0.02 } }';

async function recordingRules(): Promise<string> {
  const shipped = new URL(import.meta.resolve('@relaycore/rules/performance_thresholds.yml'));
  const loaded = loadPolicy(`${await readFile(shipped, 'utf8')}\n${customSignal}`);
  if (loaded.kind === 'refused')
    throw new Error(`the shipped policy is refused: ${JSON.stringify(loaded.problems)}`);
  return compilePolicy(loaded.policy)['recording.rules.yml']!;
}

/** Both models and the gateway at work; one request in ten fails, so that errors have something to show. */
function serveTraffic(): NodeJS.Timeout {
  const recorders = models.map((name, i) =>
    servers.model({ name, version: String(i + 1), operation: 'classify', provider: 'example' }),
  );
  const gateway = servers.gateway();
  gateway.observeRoutes(() => [
    { route: 'mail-filter', generation: 3, weights: { 'spam-nb': 10000, 'spam-lr': 0 } },
  ]);
  let count = 0;
  return setInterval(() => {
    const failed = count++ % 10 === 0;
    for (const recorder of recorders) {
      const ticket = recorder.start();
      recorder.begin(ticket);
      if (failed) recorder.fail(ticket, new Error('out of order'));
      else recorder.end(ticket);
      recorder.evaluate('accuracy', failed ? 0 : 1);
      recorder.feedback(0.75);
    }
    for (const [i, model] of models.entries())
      gateway.attempt({
        route: 'mail-filter',
        model,
        version: String(i + 1),
        outcome: failed ? 'error' : 'ok',
        retried: failed,
        seconds: 0.01,
      });
  }, 20);
}

/** What the controller exports, in the text format. */
function controllerPage(): string {
  const nowSeconds = Date.now() / 1000;
  const signals = models.flatMap((model, i) =>
    ['success', 'latency', 'accuracy'].map(
      signal => `model="${model}",version="${i + 1}",signal="${signal}"`,
    ),
  );
  const perLevel = signals.flatMap(labels =>
    ['warning', 'critical'].map(level => `${labels},level="${level}"`),
  );
  const gpuMemory = models.map(
    (model, i) => `model="${model}",version="${i + 1}",signal="gpu_memory",level="warning"`,
  );
  const gauge = (name: string, labels: readonly string[], value: number) =>
    labels.map(set => `${name}{${set}} ${value}`);
  const histogram = (name: string) => [
    `${name}_bucket{le="0.1"} ${Math.floor(nowSeconds)}`,
    `${name}_bucket{le="+Inf"} ${Math.floor(nowSeconds)}`,
  ];
  const lines = [
    ...gauge(exported.verdict, perLevel, 1),
    ...gauge(exported.known, signals, 1),
    ...gauge(exported.value, perLevel, 0.9),
    ...gauge(exported.threshold, perLevel, 0.95),
    ...gauge(exported.resourceValue, gpuMemory, 0.7),
    ...gauge(exported.resourceThreshold, gpuMemory, 0.95),
    ...gauge(exported.evidence, perLevel, 12),
    ...gauge(exported.evidenceThreshold, perLevel, 18.4),
    `${exported.routeWeight}{route="mail-filter",model="spam-nb"} 0`,
    `${exported.routeWeight}{route="mail-filter",model="spam-lr"} 10000`,
    `${exported.routeGeneration}{route="mail-filter"} 3`,
    `${exported.routeConverged}{route="mail-filter"} 1`,
    `${exported.routeConfirmed}{route="mail-filter"} 1`,
    `${exported.routePhase}{route="mail-filter",phase="failed_over"} 1`,
    `${exported.switches}{route="mail-filter",from="spam-nb",to="spam-lr",reason="accuracy"} 1`,
    `${exported.switchedAt}{route="mail-filter"} ${nowSeconds - 5}`,
    `${exported.lastEvaluation} ${nowSeconds}`,
    `flagged_total{model="spam-nb"} ${Math.floor(nowSeconds / 10)}`,
    `checked_total{model="spam-nb"} ${Math.floor(nowSeconds)}`,
    ...[exported.tickDuration, exported.queryDuration, exported.applyDuration].flatMap(histogram),
  ];
  return `${lines.join('\n')}\n`;
}
