import { expect, test } from 'vitest';
import { addToRun, type FailureRun, isHardDown, noFailures } from './hard-down.ts';

const rule = { failures: 10, forMs: 10_000 };
type Tick = readonly [at: number, requests: number, bad: number];

function runOf(ticks: readonly Tick[]): FailureRun {
  const run = noFailures(0);
  for (const [at, requests, bad] of ticks) addToRun(run, at, { requests, bad });
  return run;
}

test.each<[what: string, ticks: Tick[], down: boolean]>([
  [
    'ten failures over ten seconds',
    [
      [5000, 5, 5],
      [10_000, 5, 5],
    ],
    true,
  ],
  [
    'nine failures',
    [
      [5000, 5, 5],
      [10_000, 4, 4],
    ],
    false,
  ],
  ['ten failures over less', [[5000, 10, 10]], false],
  [
    'one success ends the run',
    [
      [5000, 5, 5],
      [10_000, 5, 4],
      [15_000, 5, 5],
    ],
    false,
  ],
  [
    'after the success it begins anew',
    [
      [5000, 5, 4],
      [10_000, 5, 5],
      [15_000, 5, 5],
    ],
    true,
  ],
  [
    'ticks without requests in between count for nothing',
    [
      [5000, 5, 5],
      [10_000, 0, 0],
      [15_000, 5, 5],
    ],
    true,
  ],
  [
    'a quiet time before the first failure is no failing',
    [
      [5000, 0, 0],
      [60_000, 0, 0],
      [65_000, 10, 10],
    ],
    false,
  ],
  [
    'scores that are bad only in part are no failures',
    [
      [5000, 10, 9.5],
      [15_000, 10, 9.5],
    ],
    false,
  ],
])('%s', (_what, ticks, down) => {
  expect(isHardDown(runOf(ticks), ticks.at(-1)![0], rule)).toBe(down);
});

test('switched off, nothing is down', () => {
  expect(isHardDown({ failures: 1000, since: 0 }, 1e9, undefined)).toBe(false);
});
