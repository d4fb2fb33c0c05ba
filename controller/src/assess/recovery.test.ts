import fc from 'fast-check';
import { expect, test } from 'vitest';
import { accumulateRecovery, isLost, logWealth, noRecovery, recoveredAt, type Wealth } from './recovery.ts';

function after(good: number, bad: number, allowedBad = 0.1, wealth: Wealth = noRecovery()): Wealth {
  const observations = [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ];
  accumulateRecovery(wealth, observations, allowedBad);
  return wealth;
}

test('the wealth that proves a recovery is a thousand', () => {
  expect(recoveredAt).toBe(Math.log(1000));
  expect(logWealth(noRecovery())).toBe(0);
});

test('one request is worth, per alternative, what the bet says by hand', () => {
  const good = after(1, 0).map(value => Number(value.toFixed(9)));
  const bad = after(0, 1).map(value => Number(value.toFixed(9)));
  const shares = [0.05, 0.2, 0.4, 0.6, 0.8];
  expect(good).toEqual(shares.map(s => Number(Math.log(1 + ((1 - s) * 0.1) / 0.9).toFixed(9))));
  expect(bad).toEqual(shares.map(s => Number(Math.log(s).toFixed(9))));
});

test.each([
  [0.99, 110],
  [0.96, 280],
])('at a success rate of %f it takes about %i requests', (success, expected) => {
  const wealth = noRecovery();
  let requests = 0;
  for (; logWealth(wealth) < recoveredAt; requests++) after(success, 1 - success, 0.1, wealth);
  expect(requests).toBeGreaterThan(expected * 0.8);
  expect(requests).toBeLessThan(expected * 1.2);
});

test('a model exactly as bad as allowed never proves itself by its mean', () => {
  expect(logWealth(after(9000, 1000))).toBeLessThan(0);
});

test('a bet that lost nearly everything is over', () => {
  expect(isLost(after(0, 5))).toBe(false);
  expect(isLost(after(0, 40))).toBe(true);
});

test('without requests nothing changes', () => {
  const some = after(7, 1);
  const before = [...some];
  accumulateRecovery(some, [], 0.1);
  expect(some).toEqual(before);
});

test('the expected wealth of a bad model does not grow, whatever the badness of its answers', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (allowedBad, low, high) => {
        const [better, worse] = [low * allowedBad, allowedBad + high * (1 - allowedBad)];
        const share = worse > better ? (allowedBad - better) / (worse - better) : 1;
        const wealth = (badness: number) => {
          const one = noRecovery();
          accumulateRecovery(one, [{ badness, count: 1 }], allowedBad);
          return one.map(Math.exp);
        };
        for (const [k, factor] of wealth(worse).entries())
          expect(share * factor + (1 - share) * wealth(better)[k]!).toBeLessThanOrEqual(1 + 1e-9);
      },
    ),
  );
});

test('no counts make it NaN', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      fc.array(fc.tuple(fc.maxSafeNat(), fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 20 }),
      (allowedBad, observed) => {
        const wealth = noRecovery();
        for (const [count, badness] of observed) accumulateRecovery(wealth, [{ badness, count }], allowedBad);
        expect(Number.isNaN(logWealth(wealth))).toBe(false);
      },
    ),
  );
});
