import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allTo, share } from './weights.ts';

test('all to one target leaves the others at zero', () => {
  expect(allTo('b', ['a', 'b', 'c'])).toEqual({ a: 0, b: 10_000, c: 0 });
});

test('a share is taken from the target that has the rest', () => {
  expect(share('a', 5, 'c', ['a', 'b', 'c'])).toEqual({ a: 500, b: 0, c: 9500 });
  expect(share('a', 33.333, 'b', ['a', 'b'])).toEqual({ a: 3333, b: 6667 });
});

test('whatever the share, the weights are whole, sum to 10000, and none is negative', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.integer({ min: 2, max: 6 }),
      (percent, count) => {
        const targets = Array.from({ length: count }, (_, i) => `m${i}`);
        const weights = Object.values(share('m0', percent, targets.at(-1)!, targets));
        expect(weights.reduce((sum, weight) => sum + weight)).toBe(10_000);
        expect(weights.every(weight => Number.isInteger(weight) && weight >= 0)).toBe(true);
      },
    ),
  );
});
