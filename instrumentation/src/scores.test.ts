import { expect, test } from 'vitest';
import { metrics } from './metrics.ts';
import { normalizeRating, roundKeepingMean } from './scores.ts';

/** Every random number once, evenly spread, so that a mean over them is the expectation. */
const evenly = Array.from({ length: 10_000 }, (_, index) => (index + 0.5) / 10_000);

test.each([0, 0.04, 0.25, 0.3, 0.5, 0.87, 0.99, 1])('the mean of a rounded %f is itself', score => {
  const rounded = evenly.map(random => roundKeepingMean(score, 10, () => random) / 10);
  const mean = rounded.reduce((sum, value) => sum + value, 0) / rounded.length;
  expect(mean).toBeCloseTo(score, 4);
  const distance = Math.max(...rounded.map(value => Math.abs(value - score)));
  expect(distance).toBeLessThan(0.1);
});

test('an edge stays where it is, and what is rounded is one', () => {
  const edges: readonly number[] = metrics.evaluationScore.edges;
  for (const [step, edge] of edges.entries()) {
    expect(roundKeepingMean(edge, 10, () => 0.999_999)).toBe(step);
    expect(edges[roundKeepingMean(Math.min(1, edge + 0.05), 10, () => 0)]).toBeDefined();
  }
});

test.each([
  { rating: 4, min: 1, max: 5, score: 0.75 },
  { rating: 1, min: 1, max: 5, score: 0 },
  { rating: 0.5, min: 0, max: 1, score: 0.5 },
  { rating: 6, min: 1, max: 5, score: undefined },
  { rating: Number.NaN, min: 1, max: 5, score: undefined },
  { rating: 1, min: 1, max: 1, score: undefined },
  { rating: 1, min: 5, max: 1, score: undefined },
  { rating: 1, min: 0, max: Number.POSITIVE_INFINITY, score: undefined },
])('rating $rating on $min..$max is $score', ({ rating, min, max, score }) => {
  expect(normalizeRating(rating, min, max)).toBe(score);
});
