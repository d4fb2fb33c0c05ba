import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/support/servers.ts';
import { type Application, createApplication } from '../../test/applications.ts';
import { type FakeOpenai, startFakeOpenai } from '../../test/fake-openai.ts';
import { NeuroweaverInstrumentation } from './plugin.ts';

const traced = `
  const { createServer } = await import('node:http');
  const { once } = await import('node:events');
  const spans = { onStart() {}, onEnd() {}, async forceFlush() {}, async shutdown() {} };
  let traceId;
  const server = createServer((_, response) =>
    trace.getTracer('app').startActiveSpan('answer', span => {
      traceId = span.spanContext().traceId;
      response.end('ok', () => span.end());
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ask = async () => {
    await (await fetch('http://127.0.0.1:' + server.address().port, { method: 'POST' })).text();
    server.closeAllConnections();
  };`;

const programs = {
  'beside.mjs': `
    import { diag, logs, metrics, trace } from '@opentelemetry/api';
    import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
    import { NodeSDK } from '@opentelemetry/sdk-node';
    const told = (...words) => console.error(...words);
    diag.setLogger({ error: told, warn: told, info() {}, debug() {}, verbose() {} });
    ${traced}
    const exporter = new PrometheusExporter({ preventServerStart: true });
    new NodeSDK({ metricReaders: [exporter], spanProcessors: [spans], logRecordProcessors: [] }).start();
    metrics.getMeter('app').createCounter('mails').add(2);
    const url = 'http://127.0.0.1:' + process.env.OTEL_EXPORTER_PROMETHEUS_PORT + '/metrics';
    const page = async () =>
      (await fetch(url, { headers: { accept: 'application/openmetrics-text;version=1.0.0' } })).text();
    await page();
    await ask();
    const { scopeMetrics } = (await exporter.collect()).resourceMetrics;
    const own = scopeMetrics.filter(({ scope }) => scope.name === 'app').flatMap(scope => scope.metrics);
    const isLinked = (await page()).includes('trace_id="' + traceId + '"');
    console.log(JSON.stringify({ own: own.map(metric => metric.descriptor.name), isLinked }));
    server.close();`,
  'instrument.mjs': `
    import { NeuroweaverInstrumentation } from '@neuroweaver/instrumentation';
    import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
    import { NodeSDK } from '@opentelemetry/sdk-node';
    globalThis.exporter = new PrometheusExporter({ preventServerStart: true });
    const model = { name: 'served', version: '1', operation: 'chat', provider: 'example' };
    new NodeSDK({
      metricReaders: [globalThis.exporter],
      spanProcessors: [],
      logRecordProcessors: [],
      instrumentations: [new NeuroweaverInstrumentation({ requests: [{ path: '/*', model }] })],
    }).start();`,
  'plugged.mjs': `
    import { trace } from '@opentelemetry/api';
    import OpenAI from 'openai';
    ${traced}
    await ask();
    await new OpenAI({ apiKey: 'none' }).chat.completions.create({ model: 'asked', messages: [] });
    const { scopeMetrics } = (await globalThis.exporter.collect()).resourceMetrics;
    const all = scopeMetrics.flatMap(scope => scope.metrics);
    const requests = all.find(metric => metric.descriptor.name === 'ml.server.requests').dataPoints;
    const counted = requests.filter(({ value }) => value > 0);
    console.log(JSON.stringify(counted.map(({ attributes }) => attributes['gen_ai.request.model'])));
    server.close();`,
};

/** Each test starts a Node or two, which a busy machine is slow at. */
vi.setConfig({ testTimeout: 120_000 });

let application: Application;
let fake: FakeOpenai;
beforeAll(async () => {
  fake = await startFakeOpenai();
  application = await createApplication(programs);
});
afterAll(async () => {
  await application?.remove();
  fake?.stop();
});

test("the register entry stands beside the application's own SDK, and requests lead to its traces", async () => {
  const port = String(await freePort());
  const environment = { OTEL_EXPORTER_PROMETHEUS_PORT: port, NEUROWEAVER_MODEL: 'spam' };
  const { said, warned } = await application.run(
    ['--import', '@neuroweaver/instrumentation/register', 'beside.mjs'],
    environment,
  );
  expect(warned).toBe('');
  expect(JSON.parse(said)).toEqual({ own: ['mails'], isLinked: true });
});

test('in an SDK it records through its meter provider', async () => {
  const environment = { OPENAI_BASE_URL: fake.url };
  const { said, warned } = await application.run(
    ['--import', './instrument.mjs', 'plugged.mjs'],
    environment,
  );
  expect(warned).toBe('');
  expect(JSON.parse(said)).toEqual(['served', 'asked']);
});

test('what is wrong with its configuration is said', () => {
  const model = { name: 'm', version: '1', operation: 'o', provider: 'p' };
  expect(() => new NeuroweaverInstrumentation({ requests: [{ path: 'v1', model }] })).toThrow('is no path');
  const libraries = ['tensorflow'] as unknown as ['openai'];
  expect(() => new NeuroweaverInstrumentation({ libraries })).toThrow(
    'libraries has tensorflow: give any of openai',
  );
});
