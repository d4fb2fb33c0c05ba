import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apportioned, scaledTo, sumOf } from './shares.ts';

test.each([
  ['all to one', [0, 10_000, 0], [0, 256, 0]],
  ['5 %', [500, 9_500], [13, 247]],
  ['halves', [5_000, 5_000], [256, 256]],
  ['99 to 1', [9_900, 100], [198, 2]],
  ['less than can be held', [9_999, 1], [256, 1]],
  ['nobody', [0, 0], [0, 0]],
])('in weights up to 256: %s', (_, shares, weights) => {
  expect(scaledTo(256, shares)).toEqual(weights);
});

const percents = fc
  .array(fc.nat(100), { minLength: 1, maxLength: 5 })
  .map(parts => apportioned(100, parts).map(percent => percent * 100))
  .filter(shares => sumOf(shares) === 10_000);

test('whole percents are held exactly, whoever they belong to', () => {
  fc.assert(
    fc.property(percents, shares => {
      const weights = scaledTo(256, shares);
      for (const [i, share] of shares.entries())
        expect(weights[i]! / sumOf(weights)).toBeCloseTo(share / 10_000, 12);
    }),
  );
});

test('any shares: within range, and nobody who has one is left without', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10_000), { minLength: 1, maxLength: 8 }), shares => {
      const weights = scaledTo(256, shares);
      expect(weights.map(weight => weight > 0)).toEqual(shares.map(share => share > 0));
      expect(Math.max(...weights)).toBeLessThanOrEqual(256);
    }),
  );
});

test.each([
  ['thirds', 10_000, [1, 1, 1], [3_334, 3_333, 3_333]],
  ['raw weights', 10_000, [100, 0, 100], [5_000, 0, 5_000]],
  ['percent', 100, [9_999, 1], [99, 1]],
  ['nobody', 100, [0, 0], [0, 0]],
])('adding up: %s', (_, sum, shares, whole) => {
  expect(apportioned(sum, shares)).toEqual(whole);
});

test('any shares add up, and nobody who has one is left without', () => {
  const shares = fc.array(fc.oneof(fc.nat(3), fc.nat(1_000_000)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(shares, fc.constantFrom(10, 100, 10_000), (given, sum) => {
      fc.pre(sumOf(given) > 0);
      const whole = apportioned(sum, given);
      expect(sumOf(whole)).toBe(sum);
      expect(whole.map(value => value > 0)).toEqual(given.map(share => share > 0));
    }),
  );
});
