import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DiagLogLevel, diag, metrics as globalMetrics } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { afterEach, expect, test, vi } from 'vitest';
import { samplesOf, sampleValue } from '../test/page.ts';
import { type InitOptions, type Instrumentation, init } from './index.ts';
import { type OwnProvider, serialize, startProvider } from './provider.ts';

const identity = { name: 'spam-v1', version: '1', operation: 'classify', provider: 'example' };
const started: Instrumentation[] = [];
const programs: ChildProcess[] = [];

function initForTest(options: InitOptions = {}): Instrumentation {
  const ml = init({ port: 0, ...options });
  started.push(ml);
  return ml;
}

afterEach(async () => {
  for (const program of programs.splice(0)) program.kill('SIGKILL');
  for (const ml of started.splice(0)) await ml.shutdown();
  vi.unstubAllEnvs();
});

const renderPage = async (provider: OwnProvider): Promise<string> =>
  serialize((await provider.collect()).resourceMetrics);

const scrape = async (ml: Instrumentation): Promise<string> => {
  await ml.ready;
  const response = await fetch(ml.endpoint!);
  expect(response.status).toBe(200);
  return response.text();
};

test('the page is served as Prometheus text on a free port, with the start of the process', async () => {
  const ml = initForTest({ serviceName: 'spam' });
  await ml.ready;
  expect(ml.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  const response = await fetch(ml.endpoint!);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const page = await response.text();
  expect(samplesOf(page, 'target_info')[0]?.labels.service_name).toBe('spam');
  const agoSeconds = Date.now() / 1000 - sampleValue(page, 'process_start_time_seconds');
  expect(Math.abs(agoSeconds - process.uptime())).toBeLessThan(1);
  expect((await fetch(new URL('/', ml.endpoint!))).status).toBe(404);
});

test('a taken port rejects ready with what to do, and recording goes on', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const ml = initForTest({ port });
  await expect(ml.ready).rejects.toThrow(`127.0.0.1:${port}: the port is taken. Give init() another port`);
  expect(ml.endpoint).toBeUndefined();
  const model = ml.model(identity);
  model.end(model.start());
  holder.close();
});

test('two in one process keep their numbers apart', async () => {
  const [one, two] = [initForTest(), initForTest()];
  one.model(identity);
  expect(samplesOf(await scrape(one), 'ml_server_active_requests')).toHaveLength(1);
  expect(samplesOf(await scrape(two), 'ml_server_active_requests')).toHaveLength(0);
});

test('the same identity is the same model; an empty one is refused', () => {
  const ml = initForTest();
  expect(ml.model({ ...identity })).toBe(ml.model({ ...identity }));
  expect(ml.model({ ...identity, version: '2' })).not.toBe(ml.model(identity));
  expect(() => ml.model({ ...identity, version: '' })).toThrow(/give name, version, operation and provider/);
});

test("the application's own instruments appear on the page", async () => {
  const ml = initForTest();
  globalMetrics.getMeter('application').createCounter('mails').add(2);
  expect(sampleValue(await scrape(ml), 'mails_total')).toBe(2);
});

test('a provider that is registered already stays registered', async () => {
  const application = startProvider({ serviceName: 'application', globalProvider: true });
  const registered = globalMetrics.getMeterProvider();
  const ml = initForTest();
  expect(globalMetrics.getMeterProvider()).toBe(registered);
  ml.model(identity);
  expect(samplesOf(await scrape(ml), 'ml_server_active_requests')).toHaveLength(1);
  expect(samplesOf(await renderPage(application), 'ml_server_active_requests')).toHaveLength(0);
  await ml.shutdown();
  expect(globalMetrics.getMeterProvider()).toBe(registered);
  await application.shutdown();
});

test("with the application's provider the metrics go there and no page is opened", async () => {
  const application = startProvider({ serviceName: 'application', globalProvider: true });
  const ml = initForTest({ meterProvider: globalMetrics.getMeterProvider() });
  await ml.ready;
  expect(ml.endpoint).toBeUndefined();
  const model = ml.model(identity);
  model.end(model.start());
  const page = await renderPage(application);
  expect(samplesOf(page, 'ml_server_requests_total', { outcome: 'ok' })[0]?.value).toBe(1);
  expect(samplesOf(page, 'gen_ai_server_request_duration_count')[0]?.value).toBe(1);
  expect(samplesOf(page, 'ml_server_active_requests')[0]?.value).toBe(0);
  expect(samplesOf(page, 'process_memory_usage')[0]?.value).toBeGreaterThan(1e7);
  await application.shutdown();
});

test('the page can be left to exporter-prometheus', async () => {
  const [own, exporter] = [initForTest(), initForTest({ page: 'exporter-prometheus' })];
  for (const ml of [own, exporter]) ml.model(identity).tokens({ input: 12, output: 30 });
  globalMetrics.getMeter('application').createCounter('mails').add(2);
  const names = (page: string) => [...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name).toSorted();
  const [ours, theirs] = [await scrape(own), await scrape(exporter)];
  expect(names(ours)).toEqual(expect.arrayContaining(names(theirs)));
  for (const page of [ours, theirs])
    expect(samplesOf(page, 'ml_server_tokens_total').map(sample => sample.value)).toEqual([12, 30]);
});

test("an application's own reader takes the producer, and sends it on by OTLP", async () => {
  const ml = initForTest({ page: 'none', resources: false });
  expect(ml.endpoint).toBeUndefined();
  const collector = await startCollector();
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url: collector.url }),
    exportIntervalMillis: 60_000,
    metricProducers: [ml.producer],
  });
  const application = new MeterProvider({ readers: [reader] });
  const model = ml.model(identity);
  model.end(model.start());
  await application.forceFlush();
  const [duration] = collector.points('gen_ai.server.request.duration');
  expect(duration).toMatchObject({ count: 1, explicitBounds: expect.arrayContaining([2, 5]) });
  expect(collector.points('ml.server.requests').map(point => point.asDouble)).toEqual(
    expect.arrayContaining([1, 0]),
  );
  await application.shutdown();
  collector.close();
});

type OtlpPoint = Readonly<Record<string, unknown>>;

/** Takes what an OTLP exporter sends as JSON. */
async function startCollector() {
  const metrics: {
    name: string;
    sum?: { dataPoints: OtlpPoint[] };
    histogram?: { dataPoints: OtlpPoint[] };
  }[] = [];
  const server = createServer(async (request, response) => {
    const sent = JSON.parse(Buffer.concat(await request.toArray()).toString());
    metrics.push(
      ...sent.resourceMetrics[0].scopeMetrics.flatMap((scope: { metrics: unknown[] }) => scope.metrics),
    );
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/metrics`,
    points: (name: string) =>
      metrics
        .filter(metric => metric.name === name)
        .flatMap(({ sum, histogram }) => (sum ?? histogram)?.dataPoints ?? []),
    close: () => server.close(),
  };
}

test('it says where the page is and who reaches it', async () => {
  const said: string[] = [];
  const ignore = () => {};
  const info = (message: string) => void said.push(message);
  diag.setLogger({ info, error: ignore, warn: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.INFO);
  const ml = initForTest();
  await ml.ready;
  diag.disable();
  expect(said.filter(line => line.includes(ml.endpoint!) && /Only this machine/.test(line))).toHaveLength(1);
});

test("an application's callback that throws costs its own metric, and one that hangs is not waited for", async () => {
  const ml = initForTest();
  const meter = globalMetrics.getMeter('application');
  meter.createObservableGauge('broken').addCallback(() => {
    throw new Error('out of order');
  });
  meter.createObservableGauge('hanging').addCallback(() => new Promise(() => {}));
  meter.createCounter('mails').add(2);
  ml.model(identity);
  const page = await scrape(ml);
  expect(sampleValue(page, 'mails_total')).toBe(2);
  expect(samplesOf(page, 'ml_server_active_requests')).toHaveLength(1);
});

test('a scraper that hangs up while values are collected leaves the server as it was', async () => {
  const ml = initForTest();
  await ml.ready;
  const collecting = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  globalMetrics
    .getMeter('application')
    .createObservableGauge('slow')
    .addCallback(async () => {
      collecting.resolve();
      await released.promise;
    });
  const impatient = get(ml.endpoint!, { agent: false }).on('error', () => {});
  await collecting.promise;
  impatient.destroy();
  // Answered after the server has seen the connection close.
  await fetch(new URL('/', ml.endpoint!));
  released.resolve();
  expect(samplesOf(await scrape(ml), 'ml_telemetry_rejected_total').length).toBeGreaterThan(0);
});

test('OTEL_SDK_DISABLED turns everything off', async () => {
  vi.stubEnv('OTEL_SDK_DISABLED', 'true');
  const ml = initForTest();
  await ml.ready;
  expect(ml.endpoint).toBeUndefined();
  const model = ml.model(identity);
  model.end(model.start());
});

test('shutdown closes the page, may be called twice, and recording after it is harmless', async () => {
  const ml = initForTest();
  const model = ml.model(identity);
  await scrape(ml);
  const endpoint = ml.endpoint!;
  await Promise.all([ml.shutdown(), ml.shutdown()]);
  await expect(fetch(endpoint)).rejects.toThrow();
  model.end(model.start());
});

/** Runs a program of its own in which `init` is imported. */
function runProgram(body: string) {
  const code = `import { init } from '@neuroweaver/instrumentation';\n${body}`;
  const program = spawn(process.execPath, ['--conditions=source', '--input-type=module', '--eval', code], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  programs.push(program);
  return program;
}

test('a process that has nothing else to do ends', async () => {
  const program = runProgram('const ml = init({ port: 0 }); await ml.ready;');
  const [code] = await once(program, 'exit');
  expect(code).toBe(0);
});

test('a process ends although it is being scraped over a connection that is kept alive', async () => {
  const program = runProgram(
    'const ml = init({ port: 0 }); await ml.ready; console.log(ml.endpoint); process.stdin.resume();',
  );
  const exited = once(program, 'exit');
  const [endpoint] = await once(createInterface(program.stdout), 'line');
  expect((await fetch(endpoint)).status).toBe(200);
  program.stdin.end();
  while (program.exitCode === null)
    await fetch(endpoint)
      .then(response => response.text())
      .catch(() => exited);
  expect(program.exitCode).toBe(0);
});

test('a process that nobody told of the taken port goes on', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const program = runProgram(
    `init({ port: ${port} }); process.stdin.on('end', () => process.exit(7)).resume();`,
  );
  const exited = once(program, 'exit');
  program.stdin.end();
  const [code] = await exited;
  holder.close();
  expect(code).toBe(7);
});
