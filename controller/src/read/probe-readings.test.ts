import { expect, test } from 'vitest';
import type { ProbeResult, Reading, Readings } from '../types.ts';
import { withProbes } from './probe-readings.ts';

const absent = { kind: 'absent', reason: 'its server counts no failures' } as const;
const seen: Reading = { kind: 'counts', vantage: 'server', levels: { warning: [], critical: [] } };
const readingsWith = (success: Reading, problem?: string): Readings => ({
  at: 1_000,
  models: new Map([['m', { success, latency: seen, accuracy: absent, feedback: absent }]]),
  queries: {},
  resources: new Map(),
  ...(problem !== undefined && { problem }),
});
const sent = (requests: number, bad: number): ReadonlyMap<string, ProbeResult> =>
  new Map([['m', { kind: 'passed', at: 1_000, durationMs: 3, score: 0.5, sent: { requests, bad } }]]);
const observed = [
  { badness: 0, count: 4 },
  { badness: 1, count: 2 },
];

test('where nobody else counts successes the golden requests do, each once, and nothing but success', () => {
  const { models } = withProbes(readingsWith(absent), sent(10, 3), sent(4, 1));
  expect(models.get('m')).toEqual({
    success: { kind: 'counts', vantage: 'probe', levels: { warning: observed, critical: observed } },
    latency: seen,
    accuracy: absent,
    feedback: absent,
  });
});

test.each<[string, Readings, ReadonlyMap<string, ProbeResult>]>([
  ['somebody else counts', readingsWith(seen), sent(10, 3)],
  ['Prometheus did not answer', readingsWith(absent, 'no answer'), sent(10, 3)],
  ['the model has no golden requests', readingsWith(absent), sent(0, 0)],
])('they are no readings when %s', (_, readings, results) => {
  expect(withProbes(readings, results, new Map()).models).toEqual(readings.models);
});
