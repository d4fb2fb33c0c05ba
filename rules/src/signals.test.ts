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

test('a signal that the policy adds: a share of bad ones, or a mean score', () => {
  const added = {
    toxicity: { bad: 'flagged_total', total: 'checked_total', critical_threshold: 0.02, words: 'is rude' },
    groundedness: { scores: 'rag_groundedness', critical_threshold: 0.7, model_label: 'model' },
  };
  const base = mergeThresholds(shippedThresholds, { signals: added });
  const thresholds = mergeThresholds(base, { signals: { groundedness: { warning_threshold: 0.8 } } });
  const [toxicity, groundedness] = signalsOf(thresholds, added).slice(4);
  expect(toxicity).toEqual({
    name: 'toxicity',
    kind: 'rate',
    words: 'is rude',
    source: { kind: 'counters', bad: 'flagged_total', total: 'checked_total', labels: {} },
    levels: {
      warning: { level: 'warning', allowedBad: 0.02, threshold: 0.02, unit: 'bad share' },
      critical: { level: 'critical', allowedBad: 0.02, threshold: 0.02, unit: 'bad share' },
    },
  });
  expect(groundedness).toEqual({
    name: 'groundedness',
    kind: 'score',
    source: { kind: 'scores', scores: 'rag_groundedness', labels: { model: 'model' } },
    levels: {
      warning: { level: 'warning', allowedBad: 0.2, threshold: 0.8, unit: 'score' },
      critical: { level: 'critical', allowedBad: 0.3, threshold: 0.7, unit: 'score' },
    },
  });
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
