import { expect, test } from 'vitest';
import type { LevelAssessment, SignalAssessment } from '../types.ts';
import { describeVerdict, measured, resourceNow, seen } from './words.ts';

const level: LevelAssessment = {
  level: 'critical',
  stands: true,
  firedAt: 2,
  since: 1,
  standsSince: 2,
  rule: 'shiryaev-roberts',
  evidence: 25.04,
  evidenceThreshold: 24.36,
  recovery: 0,
  recoverySince: 0,
  recoveryRise: 0,
  counts: { requests: 812, bad: 170.52 },
  allowedBad: 0.05,
  threshold: 0.85,
  unit: 'score',
};

const assessed = (
  signal: SignalAssessment['signal'],
  changed: Partial<LevelAssessment> = {},
): SignalAssessment => ({
  signal,
  verdict: { kind: 'healthy' },
  levels: { warning: { ...level, ...changed }, critical: { ...level, ...changed } },
  requests: 812,
});

test.each<[SignalAssessment, string]>([
  [
    assessed('success', { threshold: 0.9, unit: 'success rate' }),
    'success rate 0.7900 below 0.9 over 812 requests (evidence 25.0 of 24.4 nats)',
  ],
  [assessed('feedback'), 'feedback 0.7900 below 0.85 over 812 scores (evidence 25.0 of 24.4 nats)'],
  [assessed('accuracy'), 'accuracy 0.7900 below 0.85 over 812 scores (evidence 25.0 of 24.4 nats)'],
  [
    assessed('toxicity', { threshold: 0.0004, unit: 'bad share' }),
    'toxicity 21 % above 0.04 % over 812 events (evidence 25.0 of 24.4 nats)',
  ],
  [
    assessed('latency', { threshold: 5000, unit: 'ms' }),
    '21.0 % slower than 5000 ms, 5.0 % allowed, over 812 requests (evidence 25.0 of 24.4 nats)',
  ],
  [
    assessed('success', {
      threshold: 0.9,
      unit: 'success rate',
      rule: 'hard-down',
      counts: { requests: 12, bad: 12 },
    }),
    'success rate 0.0000 below 0.9 over 12 requests (all failed)',
  ],
])('%#', (signal, words) => {
  expect(measured(signal, 'critical')).toBe(words);
});

const memory = (changed: Partial<LevelAssessment>, instance?: string): SignalAssessment => ({
  ...assessed('memory', { unit: 'value', threshold: 12e9, since: 1000, firedAt: 121_000, ...changed }),
  resource: {
    value: 13_140_000_000,
    seenAt: 121_000,
    forMs: 120_000,
    clearBelow: 7e9,
    ...(instance !== undefined && { instance }),
  },
});

test('a resource is told with how long, and where', () => {
  expect(measured(memory({}, 'a:1'), 'critical')).toBe('memory 1.314e10 above 1.2e10 for 120 s at a:1');
  expect(measured(memory({ threshold: 0.95 }), 'critical')).toBe('memory 1.314e10 above 0.95 for 120 s');
  expect(resourceNow(memory({}))).toBe('memory 1.314e10, not below 7e9 for 120 s');
  expect(resourceNow(memory({ stands: false }))).toBe('memory 1.314e10');
  const verdict = { kind: 'healthy' } as const;
  expect(seen({ model: 'a', at: 0, verdict, signals: [memory({}, 'a:1')] })).toBe('memory 1.314e10 at a:1');
});

test('nothing counted is no division by zero', () => {
  expect(
    measured(assessed('success', { unit: 'success rate', counts: { requests: 0, bad: 0 } }), 'critical'),
  ).toMatch(/^success rate 1\.0000/);
});

test('a healthy model is described by the signals that are known', () => {
  const unknown: SignalAssessment = {
    ...assessed('accuracy'),
    verdict: { kind: 'unknown', reason: 'no scores' },
  };
  const assessment = {
    model: 'a',
    at: 0,
    verdict: { kind: 'healthy' as const },
    signals: [assessed('success', { unit: 'success rate' }), unknown],
  };
  expect(seen(assessment)).toBe('success rate 0.7900 over 812 requests (evidence 25.0 of 24.4 nats)');
});

test('a verdict in words', () => {
  expect(describeVerdict({ kind: 'healthy' })).toBe('healthy');
  expect(describeVerdict({ kind: 'unknown', reason: 'too few' })).toBe('unknown (too few)');
  expect(describeVerdict({ kind: 'degraded', level: 'critical', signal: 'latency', since: 0 })).toBe(
    'latency critical',
  );
});
