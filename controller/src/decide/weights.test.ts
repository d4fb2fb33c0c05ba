import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allTo, withShare } from './weights.ts';

test('all to one target leaves the others at zero', () => {
  expect(allTo('b', ['a', 'b', 'c'])).toEqual({ a: 0, b: 10_000, c: 0 });
});

test('a share is taken from the targets that have the rest, as much from each as it has', () => {
  const targets = ['a', 'b', 'c'];
  expect(withShare('a', 5, { a: 0, b: 0, c: 10_000 }, targets)).toEqual({ a: 500, b: 0, c: 9500 });
  expect(withShare('a', 50, { a: 0, b: 4000, c: 6000 }, targets)).toEqual({ a: 5000, b: 2000, c: 3000 });
  expect(withShare('a', 33.333, { a: 0, b: 10_000 }, ['a', 'b'])).toEqual({ a: 3333, b: 6667 });
});

test('who has more already keeps it', () => {
  expect(withShare('a', 5, { a: 2000, b: 8000 }, ['a', 'b'])).toEqual({ a: 2000, b: 8000 });
});

test('whatever the share, the weights are whole, sum to 10000, and none is negative', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 6 }),
      (percent, parts) => {
        const targets = parts.map((_, i) => `m${i}`);
        const total = parts.reduce((sum, part) => sum + part, 0);
        const now = Object.fromEntries(
          parts.map((part, i) => [`m${i}`, Math.floor((part / total) * 10_000) || 0]),
        );
        const weights = Object.values(withShare('m0', percent, now, targets));
        expect(weights.reduce((sum, weight) => sum + weight)).toBe(10_000);
        expect(weights.every(weight => Number.isInteger(weight) && weight >= 0)).toBe(true);
      },
    ),
  );
});
