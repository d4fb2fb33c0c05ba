import { expect, test } from 'vitest';
import type { Assessment, Verdict } from '../types.ts';
import { incidentOf } from './incident.ts';

const settings = { withinMs: 60_000, modelsPercent: 5, minimumModels: 5, holdSwitches: true };

/** `critical` models at the given times (seconds), and as many healthy ones as it takes to have `all`. */
function assessed(criticalAt: readonly number[], all: number): ReadonlyMap<string, Assessment> {
  const verdicts: Verdict[] = criticalAt.map(second => ({
    kind: 'degraded',
    level: 'critical',
    signal: 'success',
    since: second * 1000,
  }));
  while (verdicts.length < all) verdicts.push({ kind: 'healthy' });
  return new Map(
    verdicts.map((verdict, i) => [`model-${i}`, { model: `model-${i}`, at: 0, verdict, signals: [] }]),
  );
}

test.each([
  { what: 'five of twenty within a minute', at: [0, 10, 20, 30, 60], all: 20, models: 5 },
  { what: 'four are too few', at: [0, 10, 20, 30], all: 20, models: 0 },
  { what: 'five over more than a minute are several troubles', at: [0, 20, 40, 60, 61], all: 20, models: 0 },
  { what: 'five of two hundred are too small a share', at: [0, 1, 2, 3, 4], all: 200, models: 0 },
  { what: 'ten of two hundred are enough', at: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], all: 200, models: 10 },
  { what: 'an old trouble does not belong to it', at: [-4000, 0, 1, 2, 3, 4], all: 20, models: 5 },
  { what: 'nobody is critical', at: [], all: 20, models: 0 },
])('$what', ({ at, all, models }) => {
  expect(incidentOf(assessed(at, all), settings)?.models.size ?? 0).toBe(models);
});

test('it began with the first of its models', () => {
  expect(incidentOf(assessed([-4000, 7, 8, 9, 10, 11], 20), settings)?.since).toBe(7000);
});
