import { expect, test } from 'vitest';
import type { Score } from './score.ts';
import { poissonUpper, resultOf } from './summary.ts';

test.each([
  [0, 2.9957],
  [1, 4.7439],
  [10, 16.962],
  [1000, 1053.7],
])('%i events seen: fewer than %f expected, with 95 %% confidence', (count, upper) => {
  expect(poissonUpper(count, 0.95) / upper).toBeCloseTo(1, 3);
});

const row = { scenario: 'x', level: 'critical', rate: 10, detector: 'ours' } as const;
const score: Score = {
  simulatedMs: 86_400_000,
  healthyMs: 31_557_600_000,
  falseAlarms: 1,
  falseSwitches: 2,
  switches: 3,
  detections: [],
  requests: 1000,
  failed: 10,
};

test('runs are added up', () => {
  expect(resultOf(row, [score, score])).toMatchObject({
    modelYears: 2,
    falseAlarms: 2,
    falseSwitches: 4,
    switchesPerDay: 3,
    failedShare: 0.01,
    recall: null,
    bound: null,
    delaySeconds: { median: null, p99: null },
  });
});

test('delays are those of all noticed incidents; recall wants them in time', () => {
  const noticed = (seconds: number) => ({
    bound: 50,
    inTime: seconds < 100,
    delay: { ms: seconds * 1000, requests: seconds * 10 },
  });
  const detections = [noticed(5), noticed(10), noticed(200), { bound: 50, inTime: false }];
  expect(resultOf(row, [{ ...score, detections }])).toMatchObject({
    incidents: 4,
    recall: 0.5,
    noticed: 0.75,
    bound: 50,
    delaySeconds: { median: 10, p99: 200 },
    delayRatio: { median: 2, p99: 40 },
  });
});
