import { metrics as globalMetrics } from '@opentelemetry/api';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { samplesOf, sampleValue } from '../../test/page.ts';
import { type Recording, startRecording } from '../../test/recording.ts';
import { createGateway } from '../gateway.ts';
import { attemptOutcomes, errorTypes, scoreSources } from '../metrics.ts';
import { createModels } from '../models.ts';
import { type OwnProvider, serialize, startProvider } from '../provider.ts';
import { createProducer } from '../record/producer.ts';
import { createBytes, writtenBytes } from './bytes.ts';
import { formatFor, prometheusText } from './format.ts';
import { createPageWriter } from './writer.ts';

const providers: OwnProvider[] = [];
afterEach(async () => {
  for (const provider of providers.splice(0)) await provider.shutdown();
});

/** Everything that can be recorded, with names and values as they come. */
const text = fc.oneof(
  fc.constantFrom('a', 'b"c', 'd\\e', 'f\ng', '模型'),
  fc.string({ minLength: 1, unit: 'grapheme' }),
);
const seconds = fc.oneof(
  fc.double({ min: 0, max: 100, noNaN: true }),
  fc.constantFrom(0, 2, 5, 81.92, 1e308, 5e-324),
);
const recordings = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('evaluate' as const),
      model: text,
      name: text,
      score: fc.double({ min: 0, max: 1, noNaN: true }),
      source: fc.constantFrom(...scoreSources),
    }),
    fc.record({
      kind: fc.constant('request' as const),
      model: text,
      error: fc.option(fc.constantFrom(...errorTypes)),
    }),
    fc.record({
      kind: fc.constant('attempt' as const),
      model: text,
      outcome: fc.constantFrom(...attemptOutcomes),
      retried: fc.boolean(),
      seconds,
    }),
    fc.record({ kind: fc.constant('tokens' as const), model: text, input: fc.nat(), output: fc.nat() }),
  ),
);
type Recorded = typeof recordings extends fc.Arbitrary<(infer One)[]> ? One : never;

test('the page has the samples that exporter-prometheus writes, whatever was recorded', async () => {
  await fc.assert(
    fc.asyncProperty(recordings, async recorded => {
      const recording = startRecording();
      record(recording, recorded);
      const { resourceMetrics } = await createProducer(recording.recorder).collect();
      expect(sampleLines(recording.page())).toEqual(sampleLines(serialize(resourceMetrics)));
    }),
    { numRuns: 200 },
  );
});

function sampleLines(page: string): string[] {
  return page
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .toSorted();
}

function record(recording: Recording, recorded: readonly Recorded[]): void {
  const { recorder, rejections } = recording;
  const modelOf = createModels({ recorder, rejections, maximumModels: 100 });
  const gateway = createGateway(recording);
  for (const one of recorded) {
    const model = modelOf({ name: one.model, version: '1', operation: 'chat', provider: 'example' });
    if (one.kind === 'evaluate') model.evaluate(one.name, one.score, { source: one.source });
    else if (one.kind === 'tokens') model.tokens(one);
    else if (one.kind === 'attempt') gateway.attempt({ ...one, route: one.model, version: '1' });
    else if (one.error === null) model.end(model.start());
    else model.fail(model.start(), { code: 'ECONNREFUSED' }, 'error');
  }
}

/** A provider, as an application that records through OpenTelemetry has it. */
function startApplication(): OwnProvider {
  const provider = startProvider({ serviceName: 'application', globalProvider: true });
  providers.push(provider);
  return provider;
}

async function pageOf(recording: Recording, application: OwnProvider): Promise<string> {
  const { resourceMetrics } = await application.collect();
  return pageWith(recording, resourceMetrics);
}

function pageWith({ recorder, rejections }: Recording, foreign: ResourceMetrics): string {
  const bytes = createBytes();
  for (const _ of createPageWriter(recorder, rejections).write(bytes, foreign, prometheusText));
  return writtenBytes(bytes).toString();
}

test("the application's own instruments are written as exporter-prometheus writes them", async () => {
  const application = startApplication();
  const meter = globalMetrics.getMeter('application');
  meter
    .createCounter('mails', { description: 'Mails "seen"\\\n', unit: '{mail}' })
    .add(2, { 'from.whom': 'a"b\\\n' });
  meter.createCounter('bytes_total').add(0.1 + 0.2);
  meter.createUpDownCounter('nine-lives').add(-3, { kept: true, list: ['a', 'b'], nothing: undefined });
  meter
    .createHistogram('size', { advice: { explicitBucketBoundaries: [0.5, 1, 1e21] } })
    .record(0.7, { a: 'x' });
  meter.createObservableGauge('load').addCallback(result => {
    result.observe(Number.POSITIVE_INFINITY, { host: 'a' });
    result.observe(Number.NaN, { host: 'b' });
  });
  const expected = sampleLines(serialize((await application.collect()).resourceMetrics));
  expect(expected).toHaveLength(12);
  expect(sampleLines(await pageOf(startRecording(), application))).toEqual(expect.arrayContaining(expected));
});

test('attributes that become the same label are joined, and counted', async () => {
  const application = startApplication();
  const recording = startRecording();
  const meter = globalMetrics.getMeter('application');
  meter.createCounter('mails').add(1, { 'a.b': 'one', a_b: 'two', '1st': 'x' });
  meter.createHistogram('size').record(1, { le: 'mine', a: 'x' });
  const page = await pageOf(recording, application);
  expect(samplesOf(page, 'mails_total')[0]?.labels).toEqual({ a_b: 'one;two', _1st: 'x' });
  expect(samplesOf(page, 'size_bucket')[0]?.labels).toEqual({ a: 'x', le: '0' });
  expect(recording.rejected('colliding_labels')).toBe(2);
});

test('a name that is taken by another type is left off, and counted', async () => {
  const application = startApplication();
  const recording = startRecording();
  createModels({ ...recording, maximumModels: 1 })({
    name: 'm',
    version: '1',
    operation: 'chat',
    provider: 'p',
  });
  const meter = globalMetrics.getMeter('application');
  meter.createHistogram('ml_server_active_requests').record(1);
  meter.createUpDownCounter('target_info').add(1);
  meter.createCounter('ml.server.requests').add(7, { tier: 'gold' });
  const page = await pageOf(recording, application);
  expect(samplesOf(page, 'ml_server_active_requests_count')).toEqual([]);
  expect(samplesOf(page, 'target_info')).toHaveLength(1);
  expect(page.match(/^# TYPE ml_server_requests_total/gm)).toHaveLength(1);
  expect(sampleValue(page, 'ml_server_requests_total', { tier: 'gold' })).toBe(7);
  expect(recording.rejected('conflicting_metric')).toBe(2);
});

test('an attribute that cannot be written costs its own metric, not the page', async () => {
  const application = startApplication();
  const recording = startRecording();
  globalMetrics.getMeter('application').createCounter('mails').add(1);
  const { resourceMetrics } = await application.collect();
  const [mails] = resourceMetrics.scopeMetrics.flatMap(scope => scope.metrics);
  Object.assign(mails!.dataPoints[0]!, { attributes: { big: 1n } });
  const page = pageWith(recording, resourceMetrics);
  expect(samplesOf(page, 'mails_total')).toEqual([]);
  expect(samplesOf(page, 'ml_telemetry_rejected_total').length).toBeGreaterThan(0);
  expect(recording.rejected('internal_error')).toBe(1);
});

test('OpenMetrics names families without their suffix, takes exemplars and says where it ends', () => {
  const recording = startRecording();
  const durations = recording.recorder.histogram('requestDuration', {});
  durations.record(0.3);
  durations.exemplify(0.3, { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 });
  const page = recording.page(formatFor('application/openmetrics-text'));
  expect(page).toMatch(/^# HELP target Target metadata\n# TYPE target info\ntarget_info 1\n/);
  expect(page).toContain('# TYPE ml_telemetry_rejected counter\nml_telemetry_rejected_total{');
  expect(page).not.toContain('# UNIT');
  const exemplar = `# {trace_id="${'a'.repeat(32)}",span_id="${'b'.repeat(16)}"} 0.3 `;
  expect(page).toContain(`gen_ai_server_request_duration_bucket{le="0.32"} 1 ${exemplar}`);
  expect(page.match(/trace_id/g)).toHaveLength(1);
  expect(page.endsWith('\n# EOF\n')).toBe(true);
  expect(recording.page()).not.toContain('trace_id');
});

const asPrometheusAsks =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,' +
  'text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
test.each([
  { accept: undefined, type: 'text/plain' },
  { accept: '*/*', type: 'text/plain' },
  { accept: 'text/html', type: 'text/plain' },
  { accept: 'application/openmetrics-text; version=1.0.0', type: 'application/openmetrics-text' },
  { accept: asPrometheusAsks, type: 'application/openmetrics-text' },
  { accept: 'application/openmetrics-text;q=0.2,text/plain;q=0.5', type: 'text/plain' },
  { accept: 'application/openmetrics-text;q=0', type: 'text/plain' },
])('$accept gets $type', ({ accept, type }) => {
  expect(formatFor(accept).contentType).toContain(type);
});
