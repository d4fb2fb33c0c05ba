import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Claim, divided, sum, towards } from './shares.ts';

const claim = (changed: Partial<Claim> = {}): Claim => ({
  score: 1,
  least: 500,
  most: 9000,
  ...changed,
});

test('shares are in proportion to the scores', () => {
  const shares = divided(10_000, [claim({ score: 3 }), claim({ score: 1 })])!;
  expect(shares.map(Math.round)).toEqual([7500, 2500]);
});

test('who is cut to its bounds leaves the rest to the others, in proportion', () => {
  const shares = divided(10_000, [
    claim({ score: 100 }),
    claim({ score: 3 }),
    claim({ score: 1, least: 0 }),
  ])!;
  expect(shares.map(Math.round)).toEqual([9000, 750, 250]);
});

test('who deserves nothing gets the least', () => {
  const shares = divided(10_000, [claim({ score: 0 }), claim({ most: 10_000 })])!;
  expect(shares.map(Math.round)).toEqual([500, 9500]);
});

test('bounds that cannot be kept give nothing', () => {
  expect(divided(10_000, [claim({ most: 4000 }), claim({ most: 5000 })])).toBeUndefined();
  expect(divided(800, [claim(), claim()])).toBeUndefined();
});

test('a step goes a part of the way, and no further than it may', () => {
  expect(towards([10_000, 0], [5000, 5000], 0.25, 1000)).toEqual([9000, 1000]);
  expect(towards([6000, 4000], [5000, 5000], 0.25, 1000)).toEqual([5750, 4250]);
  expect(towards([6000, 4000], [6000, 4000], 0.25, 1000)).toEqual([6000, 4000]);
});

const parts = fc.array(fc.nat(10_000), { minLength: 2, maxLength: 6 });

test('whatever the way, the sum stays, shares are whole, and nobody moves against its direction', () => {
  fc.assert(
    fc.property(
      parts,
      fc.infiniteStream(fc.nat(1000)),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 10_000 }),
      (here, drawn, part, step) => {
        const scores = here.map(() => drawn.next().value! + 1);
        const there = scores.map(score => (score / sum(scores)) * sum(here));
        const moved = towards(here, there, part, step);
        expect(sum(moved)).toBe(sum(here));
        expect(moved.every(share => Number.isInteger(share) && share >= 0)).toBe(true);
        for (const [i, share] of moved.entries())
          if (there[i]! < here[i]!) expect(share).toBeLessThanOrEqual(here[i]!);
          else expect(share).toBeGreaterThanOrEqual(here[i]!);
        expect(Math.max(...moved.map((share, i) => Math.abs(share - here[i]!)))).toBeLessThanOrEqual(step);
      },
    ),
    { seed: 2026 },
  );
});
