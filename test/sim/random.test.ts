import { expect, test } from 'vitest';
import { binomial, exponential, normal, pareto, poisson, type Random, seeded } from './random.ts';

const draws = 40_000;

/** Pearson's statistic over its degrees of freedom: near 1 when the draws have these probabilities. */
function misfit(draw: (random: Random) => number, chance: (k: number) => number): number {
  const random = seeded('misfit');
  const seen = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const k = draw(random);
    seen.set(k, (seen.get(k) ?? 0) + 1);
  }
  let [statistic, classes, expectedRest, seenRest] = [0, -1, draws, draws];
  for (let k = 0; k < 2000; k++) {
    const expected = draws * chance(k);
    if (expected < 20) continue;
    statistic += ((seen.get(k) ?? 0) - expected) ** 2 / expected;
    expectedRest -= expected;
    seenRest -= seen.get(k) ?? 0;
    classes++;
  }
  if (expectedRest > 5) statistic += (seenRest - expectedRest) ** 2 / expectedRest;
  return statistic / (classes + Number(expectedRest > 5));
}

function poissonChance(mean: number): (k: number) => number {
  const chances = [Math.exp(-mean)];
  for (let k = 1; k < 2000; k++) chances.push((chances[k - 1]! * mean) / k);
  return k => chances[k]!;
}

function binomialChance(n: number, p: number): (k: number) => number {
  const chances = [(1 - p) ** n];
  for (let k = 1; k <= n; k++) chances.push((chances[k - 1]! * (n - k + 1) * p) / (k * (1 - p)));
  return k => chances[k] ?? 0;
}

test.each([0.3, 5, 11.9, 12.1, 50, 500])('Poisson counts of mean %f have the exact probabilities', mean => {
  expect(misfit(random => poisson(random, mean), poissonChance(mean))).toBeLessThan(1.6);
});

test.each([
  [1, 0.3],
  [50, 0.04],
  [50, 0.97],
  [500, 0.01],
  [500, 0.05],
  [400, 0.5],
])('binomial counts of %i tries at %f have the exact probabilities', (n, p) => {
  expect(misfit(random => binomial(random, n, p), binomialChance(n, p))).toBeLessThan(1.6);
});

test('a Poisson count of the wrong mean is told apart', () => {
  expect(misfit(random => poisson(random, 50.5), poissonChance(50))).toBeGreaterThan(1.6);
});

test('nothing to draw from gives nothing, and certainty gives all', () => {
  const random = seeded('edges');
  expect([
    poisson(random, 0),
    binomial(random, 0, 0.5),
    binomial(random, 9, 0),
    binomial(random, 9, 1),
  ]).toEqual([0, 0, 0, 9]);
});

test('continuous draws have their moments', () => {
  const random = seeded('moments');
  const sample = (draw: () => number) => Array.from({ length: draws }, draw);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const normals = sample(() => normal(random));
  expect(mean(normals)).toBeCloseTo(0, 1);
  expect(mean(normals.map(value => value ** 2))).toBeCloseTo(1, 1);
  expect(mean(sample(() => exponential(random, 3))) / 3).toBeCloseTo(1, 1);
  const heavy = sample(() => pareto(random, 2, 1.5, 1000));
  expect(heavy.filter(value => value > 8).length / draws).toBeCloseTo(0.125, 2);
  expect(Math.max(...heavy)).toBeLessThanOrEqual(1000);
  expect(Math.min(...heavy)).toBeGreaterThanOrEqual(2);
});

test('the same words give the same numbers, others do not', () => {
  const first = (random: Random) => Array.from({ length: 5 }, random);
  expect(first(seeded(1, 'a'))).toEqual(first(seeded(1, 'a')));
  expect(first(seeded(1, 'a'))).not.toEqual(first(seeded(2, 'a')));
  expect(first(seeded(1, 'a'))[0]).toBe(first(seeded(1, 'a'))[0]);
});
