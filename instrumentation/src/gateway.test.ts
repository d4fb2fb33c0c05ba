import { beforeEach, expect, test } from 'vitest';
import { samplesOf, sampleValue } from '../test/page.ts';
import { type Recording, startRecording } from '../test/recording.ts';
import { createGateway, type Gateway, type GatewayAttempt } from './gateway.ts';
import { type AttemptOutcome, attemptOutcomes, gatewayEvents } from './metrics.ts';

const target = { route: 'mail-filter', model: 'spam-v1', version: '1' };
const labels = { route: 'mail-filter', gen_ai_request_model: 'spam-v1', ml_model_version: '1' };

let recording: Recording;
let gateway: Gateway;

beforeEach(() => {
  recording = startRecording();
  gateway = createGateway(recording);
});

test('a declared target has its counters at zero, also after declaring it again', async () => {
  gateway.declare(target);
  gateway.declare(target);
  const samples = samplesOf(recording.page(), 'relaycore_gateway_attempts_total', labels);
  expect(samples.every(sample => sample.value === 0)).toBe(true);
  expect(samples.map(sample => `${sample.labels.outcome} ${sample.labels.retried}`)).toEqual([
    'ok false',
    'error false',
    'timeout false',
    'refused false',
    'rate_limited false',
    'cancelled false',
    'refused true',
    'timeout true',
    'error true',
  ]);
  expect(new Set(samples.map(sample => sample.labels.shadow))).toEqual(new Set(['false']));
  const events = samplesOf(recording.page(), 'relaycore_gateway_events_total', labels);
  expect(events.map(sample => sample.value)).toEqual(gatewayEvents.map(() => 0));
});

test('copies of requests have counters of their own, and are never tried again', () => {
  gateway.declare({ ...target, shadow: true });
  gateway.attempt({ ...target, shadow: true, outcome: 'error', retried: false, seconds: 0.1 });
  const page = recording.page();
  const samples = samplesOf(page, 'relaycore_gateway_attempts_total', labels);
  expect(
    samples.map(({ labels: { outcome, retried, shadow }, value }) => [outcome, retried, shadow, value]),
  ).toEqual(attemptOutcomes.map(outcome => [outcome, 'false', 'true', outcome === 'error' ? 1 : 0]));
  expect(sampleValue(page, 'relaycore_gateway_duration_count', { ...labels, shadow: 'true' })).toBe(1);
});

test('what the gateway did of its own accord is counted by event', () => {
  gateway.event({ ...target, event: 'spilled' });
  gateway.event({ ...target, event: 'guessed' as 'spilled' });
  const spilled = { ...labels, event: 'spilled' };
  expect(sampleValue(recording.page(), 'relaycore_gateway_events_total', spilled)).toBe(1);
  expect(recording.rejected('invalid_event')).toBe(1);
});

test('agreement is a score of the model', () => {
  const { route: _, ...model } = labels;
  gateway.agreement({ ...target, score: 0.5 });
  gateway.agreement({ ...target, score: 2 });
  const agreement = { ...model, evaluation_name: 'agreement', source: 'agreement' };
  const buckets = samplesOf(recording.page(), 'ml_evaluation_score_bucket', agreement);
  expect(buckets.filter(({ value }) => value === 0).map(sample => sample.labels.le)).toEqual([
    '0',
    '0.1',
    '0.2',
    '0.3',
    '0.4',
  ]);
  expect(recording.rejected('invalid_score')).toBe(1);
});

test.each<{ outcome: AttemptOutcome; timed: boolean }>([
  { outcome: 'ok', timed: true },
  { outcome: 'error', timed: true },
  { outcome: 'timeout', timed: true },
  { outcome: 'refused', timed: false },
  { outcome: 'rate_limited', timed: false },
  { outcome: 'cancelled', timed: false },
])('an attempt that ended $outcome is counted; timed: $timed', async ({ outcome, timed }) => {
  gateway.attempt({ ...target, outcome, retried: outcome !== 'ok', seconds: 5 });
  const page = recording.page();
  const counted = { ...labels, outcome, retried: outcome === 'ok' ? 'false' : 'true', shadow: 'false' };
  expect(sampleValue(page, 'relaycore_gateway_attempts_total', counted)).toBe(1);
  const buckets = samplesOf(page, 'relaycore_gateway_duration_bucket', { ...labels, le: '5' });
  expect(buckets.map(sample => sample.value)).toEqual(timed ? [1] : []);
});

test('the routes are read at every scrape until nobody wants them observed', async () => {
  let generation = 3;
  let weights: Record<string, number> = { 'spam-v1': 10_000, 'spam-v2': 0 };
  const stop = gateway.observeRoutes(() => [{ route: 'mail-filter', generation, weights }]);
  expect(await routeState()).toEqual({ generation: 3, weights: { 'spam-v1': 10_000, 'spam-v2': 0 } });

  generation = 4;
  weights = { 'spam-v2': 10_000 };
  expect(await routeState(), 'a model taken off the route').toEqual({
    generation: 4,
    weights: { 'spam-v1': 0, 'spam-v2': 10_000 },
  });

  stop();
  generation = 5;
  expect((await routeState()).generation).toBe(4);
});

async function routeState() {
  const page = recording.page();
  const weights = samplesOf(page, 'relaycore_gateway_route_weight', { route: 'mail-filter' });
  return {
    generation: sampleValue(page, 'relaycore_gateway_route_generation', { route: 'mail-filter' }),
    weights: Object.fromEntries(weights.map(({ labels, value }) => [labels.gen_ai_request_model, value])),
  };
}

test('an observer that throws costs its own metrics, not the page', async () => {
  gateway.observeRoutes(() => {
    throw new Error('no routes');
  });
  recording.page();
  expect(recording.rejected('invalid_route_state')).toBeGreaterThan(0);
});

test.each([
  { wrong: { outcome: 'maybe' }, reason: 'invalid_attempt' },
  { wrong: { route: '' }, reason: 'invalid_attempt' },
  { wrong: { seconds: Number.NaN }, reason: 'invalid_duration' },
  { wrong: { seconds: -1 }, reason: 'invalid_duration' },
])('an attempt with $wrong is counted as $reason and not thrown', async ({ wrong, reason }) => {
  gateway.attempt({ ...target, outcome: 'ok', retried: false, seconds: 1, ...wrong } as GatewayAttempt);
  expect(recording.rejected(reason)).toBe(1);
  expect(samplesOf(recording.page(), 'relaycore_gateway_duration_count')).toEqual([]);
});

test('three hundred targets keep their names, where the SDK would stop at 2000 series', async () => {
  for (let index = 0; index < 300; index++) gateway.declare({ ...target, model: `model-${index}` });
  const samples = samplesOf(recording.page(), 'relaycore_gateway_attempts_total');
  expect(samples).toHaveLength(300 * 9);
  expect(samples.filter(sample => sample.labels.otel_metric_overflow)).toEqual([]);
});
