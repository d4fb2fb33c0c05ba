import { expect, test } from 'vitest';
import { roundKeepingMean } from '../../instrumentation/src/scores.ts';
import {
  betaCdf,
  between,
  type Distribution,
  exceeds,
  normalCdf,
  roundedScores,
  shiftedChance,
} from './distributions.ts';
import { seeded } from './random.ts';

test.each([
  [0, 0.5],
  [1, 0.8413447460685429],
  [-1.6448536269514722, 0.05],
  [2.5, 0.9937903346742238],
  [-5, 2.866515718791939e-7],
])('Φ(%f) is %f', (z, expected) => {
  expect(normalCdf(z) / expected).toBeCloseTo(1, 9);
});

test.each([
  [0.3, 2, 3, 0.3483],
  [0.5, 5, 5, 0.5],
  [0.9, 1, 4, 1 - 0.1 ** 4],
  [0.25, 3, 1, 0.25 ** 3],
])('I_%f(%i, %i) is %f', (x, a, b, expected) => {
  expect(betaCdf(x, a, b)).toBeCloseTo(expected, 12);
});

test('a lognormal latency exceeds its own percentiles as often as they say', () => {
  const latency: Distribution = { kind: 'lognormal', median: 600, sigma: Math.log(2.5) / 1.6448536269514722 };
  expect(exceeds(latency, 600)).toBeCloseTo(0.5, 12);
  expect(exceeds(latency, 1500)).toBeCloseTo(0.05, 12);
});

const scores: readonly [string, Distribution, number][] = [
  ['beta', { kind: 'beta', mean: 0.87, sd: 0.12 }, 0.87],
  ['steep beta', { kind: 'beta', mean: 0.97, sd: 0.08 }, 0.97],
  ['constant', { kind: 'constant', value: 0.83 }, 0.83],
  ['bernoulli', { kind: 'bernoulli', p: 0.9 }, 0.9],
  [
    'mixture',
    {
      kind: 'mixture',
      parts: [
        { weight: 0.25, of: { kind: 'constant', value: 0 } },
        { weight: 0.75, of: { kind: 'beta', mean: 0.8, sd: 0.1 } },
      ],
    },
    0.6,
  ],
];

test.each(scores)('recorded scores keep the mean: %s', (_, distribution, mean) => {
  const chances = roundedScores(distribution, 10);
  expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 10);
  expect(chances.reduce((sum, chance, i) => sum + (chance * i) / 10, 0)).toBeCloseTo(mean, 10);
});

test('recorded scores are those that the instrumentation would record', () => {
  const random = seeded('rounding');
  const seen = new Float64Array(11);
  // A uniform score is Beta(1, 1): mean 1/2, standard deviation √(1/12).
  for (let i = 0; i < 50_000; i++) seen[roundKeepingMean(random(), 10, random)]! += 1 / 50_000;
  const expected = roundedScores({ kind: 'beta', mean: 0.5, sd: Math.sqrt(1 / 12) }, 10);
  for (const [i, chance] of expected.entries()) expect(seen[i]!).toBeCloseTo(chance, 2);
});

test('a drift moves parameters, and mixes what has none in common', () => {
  const slow: Distribution = { kind: 'lognormal', median: 1000, sigma: 0.5 };
  expect(between(slow, { ...slow, median: 3000 }, 0.5)).toEqual({ ...slow, median: 2000 });
  const mixed = between(slow, { kind: 'constant', value: 5000 }, 0.25);
  expect(exceeds(mixed, 4999)).toBeCloseTo(0.75 * exceeds(slow, 4999) + 0.25, 12);
});

test('a shift on the logit stays inside 0 and 1', () => {
  expect(shiftedChance(0.5, Math.log(3))).toBeCloseTo(0.75, 12);
  expect(shiftedChance(0, 5)).toBe(0);
  expect(shiftedChance(1, -5)).toBe(1);
});
