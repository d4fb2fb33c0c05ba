import { expect, test } from 'vitest';
import { roundedScores } from './distributions.ts';
import { exampleStage } from './example.ts';
import { klBernoulli, klInf } from './truth.ts';

/** ln A for one false alarm in 1000 years at ticks of 5 s, and the bounds that go with it. */
const evidence = 22.57;

test.each([
  [0.15, 321],
  [0.109, 811],
  [1, 8],
])('a share of %f bad requests needs at least %i to be told from 0.05', (bad, requests) => {
  expect(Math.round(evidence / klBernoulli(bad, 0.05))).toBe(requests);
});

test('a mean score of 0.80 needs at least 327 to be told from 0.85', () => {
  const badness = [...roundedScores({ kind: 'beta', mean: 0.8, sd: 0.15 }, 1000)].reverse();
  expect(Math.round(evidence / klInf(badness, 0.15))).toBe(327);
});

test('for scores that are only 0 or 1 both bounds agree', () => {
  expect(klInf([0.8, 0.2], 0.1)).toBeCloseTo(klBernoulli(0.2, 0.1), 9);
  expect(klInf([0.95, 0.05], 0.1)).toBe(0);
});

test('a step is an incident from its time to its end', async () => {
  const { incidents } = await exampleStage();
  expect(incidents).toMatchObject([[{ startMs: 1_800_000, settledMs: 1_800_000, endMs: 3_600_000 }]]);
  // ln 4 is added for the four signals of a model.
  expect(incidents[0]![0]!.bound).toBeCloseTo((evidence + Math.log(4)) / klBernoulli(0.5, 0.05), 1);
});

test('a drift is one from where it crosses the threshold', async () => {
  const phases = [
    { at: 0, success: 1 },
    { at: '20m', drift: '10m', success: 0.8, degraded: true },
    { at: '40m', drift: '10m', success: 1, degraded: false },
  ];
  const { incidents } = await exampleStage({ phases });
  const [incident] = incidents[0]!;
  expect(incident!.startMs / 60_000).toBeCloseTo(22.5, 1);
  expect(incident!.settledMs).toBe(30 * 60_000);
  expect(incident!.endMs / 60_000).toBeCloseTo(47.5, 1);
});

test('a periodic fault beyond the threshold is one from its first period on; a small one is none', async () => {
  const healthy = [{ at: 0, success: 0.99 }];
  const fault = { start: '5m', phase: '1m', period: '10m', duty: 0.5, success: 0.5 };
  const one = await exampleStage({ phases: healthy, faults: fault });
  expect(one.incidents[0]).toMatchObject([{ startMs: 360_000, endMs: 3_600_000 }]);
  const small = await exampleStage({ phases: healthy, replicas: 20, faults: { ...fault, replica: 7 } });
  expect(small.incidents[0]).toEqual([]);
});

test('what nothing measured tells has no bound', async () => {
  const { incidents } = await exampleStage({
    phases: [
      { at: 0, success: 0.99 },
      { at: '30m', degraded: true },
    ],
  });
  expect(incidents[0]).toMatchObject([{ bound: null }]);
});

test('scores for half of the requests double the bound', async () => {
  const phases = [
    { at: 0, score: { bernoulli: 0.9 } },
    { at: '30m', score: { bernoulli: 0.7 }, degraded: true },
  ];
  const all = await exampleStage({ phases });
  const half = await exampleStage({ phases, labels_per_request: 0.5 });
  expect(half.incidents[0]![0]!.bound! / all.incidents[0]![0]!.bound!).toBeCloseTo(2, 9);
});
