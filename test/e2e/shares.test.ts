import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Instrumentation, init } from '@neuroweaver/instrumentation';
import { createRelay, type Relay } from '@relaycore/controller/relay';
import express from 'express';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Running, startProcess } from '../../deploy/demo/processes.ts';
import { type Watch, watchController } from '../../deploy/demo/watch.ts';
import { freePort, type RunningServer, startPrometheus } from '../support/servers.ts';

/*
 * Three routes on real servers, and who gets which share of them. The backup of `half` can take half of the traffic: two requests at a time, a hundred
 * milliseconds each, and a short queue. The primary of `drained` is good again while nobody but copies of requests
 * reaches it. Of `spread` one target takes ten times as long as the other.
 */

const routes = ['half', 'drained', 'spread'] as const;
const perSecond = 40;
const quickMs = 5;
const slots = 2;
const answerMs = 100;
const longestQueue = 10;
/** What `small` is said to take, a tenth below what it can. */
const room = 0.9 * (slots / answerMs) * 1000;

const policy = ({ gateway, quick }: Readonly<Record<'gateway' | 'quick', string>>) => `
model_performance: { success_rate: { critical_threshold: 0.9 } }
alert_settings: { evaluation_window_minutes: 1 }
detection: { tick_seconds: 1, ingestion_lag_seconds: 0.2, stale_seconds: 10 }
models:
  large: {}
  small: { capacity: { requests_per_second: ${room} } }
  first: {}
  second: {}
  slow: {}
  quick: { endpoint: '${quick}', probes: [{ name: answers, path: /, expect: { status: 200 } }] }
routes:
  half: { targets: [large, small], driver: { kind: relaycore, url: '${gateway}' } }
  drained:
    targets: [first, second]
    driver: { kind: relaycore, url: '${gateway}' }
    failback: { backoff_minutes: 0.3, steps: [50, 100], step_minutes: 0.1 }
  spread:
    targets: [slow, quick]
    driver: { kind: relaycore, url: '${gateway}' }
    balance: { by: [latency], minimum_percent: 10, maximum_percent: 80, step_percent: 40, every_minutes: 1 }
`;

/** A model server, and what it does now. */
interface ModelServer {
  readonly url: string;
  readonly server: Server;
  failing: number;
  asked: number;
  refused: number;
}

let folder: string;
let models: Record<'large' | 'small' | 'first' | 'second' | 'slow' | 'quick', ModelServer>;
let ml: Instrumentation;
let relay: Relay;
let gateway: Server;
let prometheus: RunningServer;
let controller: Running;
let watch: Watch;
let stopClient: () => void;
const answers: { readonly route: string; readonly at: number; readonly status: number }[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relaycore-room-'));
  models = {
    large: await startModel(),
    small: await startModel({ atOnce: slots, ms: answerMs }),
    first: await startModel(),
    second: await startModel(),
    slow: await startModel({ ms: 10 * quickMs }),
    quick: await startModel(),
  };
  ml = init({ serviceName: 'gateway', port: 0 });
  await ml.ready;
  const targets = (...names: (keyof typeof models)[]) =>
    names.map(model => ({ model, version: '1', url: models[model].url }));
  relay = createRelay({
    routes: {
      // What the gateway itself sends past a failing target has to find room, too.
      half: {
        targets: targets('large', 'small').map(target =>
          target.model === 'small' ? { ...target, capacity: { requestsPerSecond: room } } : target,
        ),
      },
      drained: {
        targets: targets('first', 'second'),
        allowRetry: 'always',
        shadow: { percent: 100, maxPerSecond: 20 },
      },
      spread: { targets: targets('slow', 'quick') },
    },
    stateFile: join(folder, 'routes.json'),
    telemetry: ml.gateway(),
    log: () => undefined,
  });
  const app = express().use(relay.routes());
  for (const route of routes) app.use(`/${route}`, relay.forward(route));
  gateway = await listen(createServer(app));
  prometheus = await startPrometheus({ folder, config: scraping(new URL(ml.endpoint!).host) });
  const file = join(folder, 'policy.yml');
  await writeFile(file, policy({ gateway: urlOf(gateway), quick: models.quick.url }));
  const main = fileURLToPath(new URL('../../controller/src/main.ts', import.meta.url));
  const { url } = prometheus;
  const where = ['--policy', file, '--prometheus', url, '--data', join(folder, 'database')];
  controller = await startProcess({
    name: 'controller',
    logFile: join(folder, 'controller.log'),
    command: [main, 'serve', ...where, '--port', `${await freePort()}`],
  });
  watch = watchController(controller.url, () => undefined);
  stopClient = startClient();
}, 120_000);

afterAll(async () => {
  stopClient?.();
  watch?.stop();
  await controller?.stop();
  await prometheus?.stop();
  await relay?.close({ deadlineMs: 1_000 });
  await ml?.shutdown();
  for (const server of [gateway, ...Object.values(models ?? {}).map(({ server }) => server)])
    server?.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

test('a backup that can take half of the traffic is given half, and does not collapse', async () => {
  await isHealthy('large', 'first');
  models.large.failing = 0.5;
  const failover = await watch.event(({ route }) => route === 'half', { ms: 60_000, what: 'the failover' });
  expect(failover).toMatchObject({ kind: 'failover', from_model: 'large', to_model: 'small' });
  const demand = Number(/room for 18\.0 of ([\d.]+) requests\/s/.exec(failover.reason)?.[1]);
  expect(demand).toBeGreaterThan(0.5 * perSecond);
  expect((await weightsOf('half')).small! / 10_000).toBeCloseTo(room / demand, 2);

  const before = models.small.refused;
  const since = Date.now();
  await delay(30_000);
  expect(models.small.refused - before, 'requests that the backup had no room for').toBeLessThan(
    0.01 * 30 * perSecond,
  );
  const seen = answers.filter(({ route, at }) => route === 'half' && at > since);
  const failed = seen.filter(({ status }) => status !== 200).length / seen.length;
  // Half of what stays with the primary fails, a quarter of all; of a backup that collapsed it would be most.
  expect(failed).toBeGreaterThan(0.15);
  expect(failed).toBeLessThan(0.35);
  const small = watch.status()!.models.find(({ model_id }) => model_id === 'small');
  expect(small).toMatchObject({ verdict: 'healthy' });
});

test('a drained primary that copies of requests have proven returns without a canary', async () => {
  models.first.failing = 0.8;
  await watch.event(({ route, kind }) => route === 'drained' && kind === 'failover', {
    ms: 60_000,
    what: 'the failover',
  });
  await expect.poll(async () => (await weightsOf('drained')).first, { timeout: 10_000 }).toBe(0);
  models.first.failing = 0;
  await delay(1_000); // requests that were under way
  const before = await attempts('first', 'true');
  await watch.event(({ route, kind }) => route === 'drained' && kind !== 'failover', {
    ms: 120_000,
    what: 'the way back',
  });
  const copies = (await attempts('first', 'true')) - before;
  await watch.event(({ route, kind }) => route === 'drained' && kind === 'failback', {
    ms: 120_000,
    what: 'the failback',
  });
  const kinds = watch.events.filter(({ route }) => route === 'drained').map(({ kind }) => kind);
  expect(kinds).toEqual(['failover', 'ramp', 'failback']);
  const [, ramp] = watch.events.filter(({ route }) => route === 'drained');
  expect(ramp!.reason).toMatch(/without a share of the traffic; success: evidence of recovery/);
  expect(copies, 'copies that proved it').toBeGreaterThan(100);
});

test('a balanced route gives the quicker target more, a quarter of the way each minute, until that fails', async () => {
  const share = async () => (await weightsOf('spread')).quick;
  await expect.poll(share, { timeout: 300_000, interval: 500 }).toBeGreaterThan(3_000);
  const steps = watch.events.filter(({ route }) => route === 'spread');
  expect(new Set(steps.map(({ kind }) => kind))).toEqual(new Set(['balance']));
  expect(steps[0]!.reason).toMatch(/^slow 100 % → 90 %, quick 0 % → 10 %/);
  expect(steps[1]!.reason).toMatch(/^slow 90 % → 7\d(\.\d+)? %, quick 10 % → 2\d(\.\d+)? %/);

  const before = [models.slow.asked, models.quick.asked] as const;
  await delay(10_000);
  const [slow, quick] = [models.slow.asked - before[0], models.quick.asked - before[1]];
  expect(Math.abs(quick / (slow + quick) - (await share())! / 10_000)).toBeLessThan(0.15);

  models.quick.failing = 0.8;
  const failover = await watch.event(({ route, kind }) => route === 'spread' && kind === 'failover', {
    ms: 60_000,
    what: 'the failover',
  });
  expect(failover).toMatchObject({ from_model: 'quick', to_model: 'slow' });
  await expect.poll(share, { timeout: 10_000 }).toBe(0);
});

async function isHealthy(...names: string[]): Promise<void> {
  await watch.until(
    ({ models }) =>
      names.every(name => models.find(({ model_id }) => model_id === name)?.verdict === 'healthy'),
    { ms: 60_000, what: 'healthy verdicts' },
  );
}

async function weightsOf(route: string): Promise<Record<string, number>> {
  const answer = await fetch(`${urlOf(gateway)}/api/v1/routes/${route}`);
  return ((await answer.json()) as { data: { weights: Record<string, number> } }).data.weights;
}

async function attempts(model: string, shadow: 'true' | 'false'): Promise<number> {
  const page = await (await fetch(ml.endpoint!)).text();
  const ofModel = page
    .split('\n')
    .filter(
      line =>
        line.startsWith('relaycore_gateway_attempts_total{') &&
        line.includes(`gen_ai_request_model="${model}"`) &&
        line.includes(`shadow="${shadow}"`),
    );
  return ofModel.reduce((sum, line) => sum + Number(/} (\S+)/.exec(line)![1]), 0);
}

/** Takes `atOnce` requests at a time; the others wait, and beyond a short queue they are refused. */
async function startModel({ atOnce = Number.POSITIVE_INFINITY, ms = quickMs } = {}): Promise<ModelServer> {
  let busy = 0;
  const queue: (() => void)[] = [];
  const answer = (response: ServerResponse) => {
    busy += 1;
    setTimeout(() => {
      response.writeHead(Math.random() < model.failing ? 500 : 200).end('{}');
      busy -= 1;
      queue.shift()?.();
    }, ms);
  };
  const take = (request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    model.asked += 1;
    if (busy < atOnce) return answer(response);
    if (queue.length < longestQueue) return void queue.push(() => answer(response));
    model.refused += 1;
    response.writeHead(503).end('{}');
  };
  const server = await listen(createServer(take));
  const model: ModelServer = { url: urlOf(server), server, failing: 0, asked: 0, refused: 0 };
  return model;
}

/** As many requests a second at each route, whatever becomes of them. */
function startClient(): () => void {
  const timer = setInterval(() => {
    for (const route of routes)
      void fetch(`${urlOf(gateway)}/${route}/`, { method: 'POST', body: '{}' })
        .then(async answer => {
          await answer.arrayBuffer();
          return answer.status;
        })
        .catch(() => 0)
        .then(status => answers.push({ route, at: Date.now(), status }));
  }, 1000 / perSecond);
  return () => clearInterval(timer);
}

async function listen(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const scraping = (target: string) => `
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs: [{ job_name: gateway, static_configs: [{ targets: ['${target}'] }] }]
`;
