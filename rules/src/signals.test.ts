import { expect, test } from 'vitest';
import { mergeThresholds, shippedThresholds, signalsOf } from './signals.ts';

test('every signal says how much badness it allows, in the unit of badness and in the policy’s own', () => {
  const [success, latency, accuracy, feedback] = signalsOf(shippedThresholds);
  expect(success).toMatchObject({
    name: 'success',
    levels: {
      warning: { threshold: 0.95, unit: 'success rate' },
      critical: { threshold: 0.9, unit: 'success rate' },
    },
  });
  expect(success!.levels.warning.allowedBad).toBeCloseTo(0.05, 12);
  expect(success!.levels.critical.allowedBad).toBeCloseTo(0.1, 12);
  expect(latency).toMatchObject({
    name: 'latency',
    levels: {
      warning: { allowedBad: 0.05, threshold: 2000, unit: 'ms', edgeSeconds: 2 },
      critical: { allowedBad: 0.05, threshold: 5000, unit: 'ms', edgeSeconds: 5 },
    },
  });
  expect(accuracy).toMatchObject({
    name: 'accuracy',
    levels: {
      warning: { threshold: 0.85, unit: 'score' },
      critical: { allowedBad: 0.25, threshold: 0.75, unit: 'score' },
    },
  });
  expect(feedback).toEqual({ ...accuracy, name: 'feedback' });
});

test('what is not written stays as it was, key by key', () => {
  const merged = mergeThresholds(shippedThresholds, {
    accuracy: { critical_threshold: 0.6 },
    latency: { slow_fraction: 0.01 },
  });
  expect(merged).toEqual({
    ...shippedThresholds,
    accuracy: { warning: 0.85, critical: 0.6 },
    slowFraction: 0.01,
  });
});
