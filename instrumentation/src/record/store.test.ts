import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { samplesOf, sampleValue } from '../../test/page.ts';
import { startRecording } from '../../test/recording.ts';
import { createGateway } from '../gateway.ts';
import { createModels } from '../models.ts';
import { bucketOfMeasured, createBuckets, measured } from './buckets.ts';

test('a value is in the first bucket whose edge it does not exceed', () => {
  const value = fc.oneof(
    fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(0, -0, 5e-324),
  );
  const edges = fc.uniqueArray(
    fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(edges, fc.array(value), (unsorted, values) => {
      const sorted = unsorted.toSorted((left, right) => left - right);
      const buckets = createBuckets(sorted);
      for (const one of [...values, ...sorted]) {
        measured[0] = one;
        const expected = sorted.findIndex(edge => one <= edge);
        expect(bucketOfMeasured(buckets)).toBe(expected === -1 ? sorted.length : expected);
      }
    }),
  );
});

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, undefined])('%s is not recorded', value => {
  const recording = startRecording();
  const durations = recording.recorder.histogram('queueDuration', {});
  durations.record(value as number);
  expect(durations.recordBetween(Float64Array.of(0, value as number), 0, 1)).toBe(false);
  expect(sampleValue(recording.page(), 'ml_server_queue_duration_count')).toBe(0);
  expect(sampleValue(recording.page(), 'ml_server_queue_duration_sum')).toBe(0);
});

test('what was recorded survives the growth of its metric', () => {
  const { recorder, page } = startRecording();
  const counters = Array.from({ length: 300 }, (_, index) =>
    recorder.counter('rejected', { reason: `${index}` }),
  );
  for (const [index, counter] of counters.entries()) counter.add(index);
  expect(samplesOf(page(), 'ml_telemetry_rejected_total', { reason: '299' })[0]?.value).toBe(299);
  recorder.counter('rejected', { reason: '299' }).add(1);
  expect(samplesOf(page(), 'ml_telemetry_rejected_total', { reason: '299' })[0]?.value).toBe(300);
});

/** Counting labels that change with each request once took the memory of the servers it was to watch. */
test('a hundred thousand label values leave memory flat and the page at its limit', () => {
  const maximum = 50;
  const recording = startRecording(maximum);
  const modelOf = createModels({ ...recording, maximumModels: maximum });
  const gateway = createGateway(recording);
  gateway.observeRoutes(() => [{ route: `route-${Math.random()}`, generation: 1, weights: { a: 1 } }]);
  const use = (index: number) => {
    const name = `model-${index}`;
    const model = modelOf({ name, version: '1', operation: 'chat', provider: 'example' });
    model.end(model.start());
    gateway.attempt({ route: name, model: name, version: '1', outcome: 'ok', retried: false, seconds: 1 });
  };
  const lines: number[] = [];
  const bytes: number[] = [];
  for (let index = 0; index < 100_000; index++) {
    use(index);
    if (index % 1_000 !== 0) continue;
    lines.push(recording.page().split('\n').length);
    if (index % 10_000 === 0) bytes.push(bytesInUse());
  }
  const page = recording.page();
  expect(samplesOf(page, 'ml_server_active_requests')).toHaveLength(maximum);
  expect(samplesOf(page, 'gen_ai_server_request_duration_count')).toHaveLength(maximum);
  expect(samplesOf(page, 'relaycore_gateway_duration_count')).toHaveLength(maximum);
  expect(lines.at(-1)).toBe(lines[maximum]);
  const dropped = { metric: 'ml.server.active_requests' };
  expect(sampleValue(page, 'ml_telemetry_dropped_series_total', dropped)).toBe(100_000 - maximum);
  // The least of some: a page that was just thrown away may still be counted.
  expect(Math.min(...bytes.slice(-4)) - Math.min(...bytes.slice(2, 6))).toBeLessThan(2 ** 20);
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function bytesInUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
