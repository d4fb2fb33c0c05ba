import { expect, test } from 'vitest';
import { createRetryBudget } from './retry-budget.ts';

test('a tenth of a steady stream may be retried, whatever part of it fails', () => {
  const budget = createRetryBudget({ share: 0.1, minimum: 0 });
  const spent = requests(budget, 0, 60_000).filter(each => each.spent).length;
  expect(spent).toBeGreaterThan(570);
  expect(spent).toBeLessThanOrEqual(600);
});

test('in no ten seconds more than the share, also after a quiet minute', () => {
  const budget = createRetryBudget({ share: 0.2, minimum: 0 });
  const all = [...requests(budget, 0, 30_000), ...requests(budget, 90_000, 30_000)];
  for (const { nowMs } of all) {
    // Seconds are counted whole, so that the oldest of ten may still be under way.
    const window = all.filter(each => each.nowMs > nowMs - 9_000 && each.nowMs <= nowMs);
    const retries = window.filter(({ spent }) => spent).length;
    expect(retries).toBeLessThanOrEqual(0.2 * 1_000);
  }
});

test('a few retries are allowed to a route with few requests', () => {
  const budget = createRetryBudget({ share: 0.2, minimum: 3 });
  budget.request(0);
  expect([1, 2, 3, 4].map(nowMs => budget.spend(nowMs))).toEqual([true, true, true, false]);
  expect(budget.spend(10_500)).toBe(true);
});

test('a share of 0 and a minimum of 0 forbid it', () => {
  const budget = createRetryBudget({ share: 0, minimum: 0 });
  expect(requests(budget, 0, 1_000).some(({ spent }) => spent)).toBe(false);
});

/** One request each 10 ms, all of which want to be tried again. */
function requests(budget: ReturnType<typeof createRetryBudget>, fromMs: number, forMs: number) {
  return Array.from({ length: forMs / 10 }, (_, index) => {
    const nowMs = fromMs + index * 10;
    budget.request(nowMs);
    return { nowMs, spent: budget.spend(nowMs) };
  });
}
