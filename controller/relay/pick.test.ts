import { describe, expect, test } from 'vitest';
import { seededRandom } from './fixture.ts';
import { attemptOrder, pickTarget } from './pick.ts';

const a = { model: 'a' };
const b = { model: 'b' };
const c = { model: 'c' };
const targets = [a, b, c];
const keys = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);

describe('by chance', () => {
  test.each([
    { a: 10_000, b: 0, c: 0 },
    { a: 9_500, b: 500, c: 0 },
    { a: 5_000, b: 3_000, c: 2_000 },
    { a: 0, b: 1, c: 9_999 },
  ])('deals requests out as %o says', weights => {
    const random = seededRandom(7);
    const picks = keys.map(() => pickTarget(targets, weights, random).model);
    expect(chiSquare(picks, weights)).toBeLessThan(chiSquareBound);
  });

  test('reaches the last open target when rounding leaves a crumb', () => {
    expect(pickTarget(targets, { a: 3_333, b: 6_667, c: 0 }, () => 1 - 2 ** -53)).toBe(b);
  });

  test('says which targets there are when none has a weight', () => {
    expect(() => pickTarget(targets, { a: 0, b: 0, c: 0 }, Math.random)).toThrow('targets: a, b, c');
  });
});

describe('by key', () => {
  const pick = (key: string, weights: Record<string, number>) =>
    pickTarget(targets, weights, Math.random, key).model;

  test('keeps a key on its target, and deals keys out as the weights say', () => {
    const weights = { a: 5_000, b: 3_000, c: 2_000 };
    const picks = keys.map(key => pick(key, weights));
    expect(keys.map(key => pick(key, weights))).toEqual(picks);
    expect(chiSquare(picks, weights)).toBeLessThan(chiSquareBound);
  });

  test('moves only what a ramp must move', () => {
    const before = keys.map(key => pick(key, { a: 9_500, b: 0, c: 500 }));
    const after = keys.map(key => pick(key, { a: 7_500, b: 2_000, c: 500 }));
    const moved = before.flatMap((model, index) =>
      model === after[index] ? [] : [`${model}>${after[index]}`],
    );
    // 20 % belong on b now. A few of a's keys find c the next best, since the sum of a and c fell.
    expect(moved.filter(move => move.endsWith('>b')).length / keys.length).toBeCloseTo(0.2, 1);
    expect(moved.filter(move => move === 'a>c').length / keys.length).toBeLessThan(0.02);
    expect(moved.filter(move => move === 'c>a')).toEqual([]);
  });

  test('never picks a target without weight', () => {
    expect(keys.every(key => pick(key, { a: 0, b: 10_000, c: 0 }) === 'b')).toBe(true);
  });
});

test.each([
  { picked: b, weights: { a: 2_000, b: 3_000, c: 5_000 }, order: [b, a, c] },
  { picked: c, weights: { a: 0, b: 5_000, c: 5_000 }, order: [c, b, a] },
  { picked: b, weights: { a: 0, b: 10_000, c: 0 }, order: [b, a, c] },
])('tries $order.0.model first, then those with weight, then the others', ({ picked, weights, order }) => {
  expect(attemptOrder(picked, targets, weights)).toEqual(order);
});

/** Two degrees of freedom, one false alarm in 10,000 seeds; the seed is fixed, so it either holds or does not. */
const chiSquareBound = 18.4;

function chiSquare(picks: readonly string[], weights: Record<string, number>): number {
  return Object.entries(weights).reduce((sum, [model, weight]) => {
    const expected = (picks.length * weight) / 10_000;
    const seen = picks.filter(pick => pick === model).length;
    if (expected === 0) return seen === 0 ? sum : Number.POSITIVE_INFINITY;
    return sum + (seen - expected) ** 2 / expected;
  }, 0);
}
