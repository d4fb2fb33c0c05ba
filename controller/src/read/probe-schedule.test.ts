import type { Model } from '@relaycore/rules';
import { expect, test } from 'vitest';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import { createSchedule } from './probe-schedule.ts';

const modelsOf = (count: number, everySeconds: number): Model[] =>
  Object.values(
    policyOf(`
probes: { interval_seconds: ${everySeconds} }
models: { ${Array.from({ length: count }, (_, i) => `m${i}: {}`).join(', ')} }
`).models,
  );

/** How many models are looked at in each tenth of a second, seen at its end. */
function looks(models: readonly Model[], forMs: number): number[] {
  const schedule = createSchedule();
  const atOnce = schedule.due(models, 0).length;
  const counts = Array.from({ length: forMs / 100 }, (_, i) => schedule.due(models, (i + 1) * 100).length);
  return counts.with(0, counts[0]! + atOnce);
}

const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

test('a thousand models are spread over the time between two looks, from the first one on', () => {
  const counts = looks(modelsOf(1_000, 10), 40_000);
  // The first one was seen at the very beginning, so its fifth look lies at the very end.
  expect(sum(counts)).toBe(4_001);
  expect(Math.max(...counts)).toBeLessThanOrEqual(13);
});

test('costly models are seen within ten seconds, and from then on spread over their longer time', () => {
  const counts = looks(modelsOf(300, 300), 1_300_000);
  expect(sum(counts.slice(0, 100))).toBe(300);
  // In each ten seconds so many as in any other.
  const later = Array.from({ length: 30 }, (_, i) => sum(counts.slice(9_000 + i * 100, 9_100 + i * 100)));
  expect(Math.max(...later)).toBeLessThanOrEqual(13);
  expect(sum(later)).toBe(300);
});

test('a turn that was missed is not made up for', () => {
  const schedule = createSchedule();
  const models = modelsOf(1, 10);
  expect(schedule.due(models, 0)).toHaveLength(1);
  expect(schedule.due(models, 95_000)).toHaveLength(1);
  expect(schedule.due(models, 95_001)).toHaveLength(0);
  expect(schedule.nextAt()).toBe(105_000);
});
