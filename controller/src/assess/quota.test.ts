import { expect, test } from 'vitest';
import type { Reading } from '../types.ts';
import { addToOverQuota, type OverQuota, overQuotaShare } from './quota.ts';

const failures = (bad: number, overQuota?: number): Extract<Reading, { kind: 'counts' }> => {
  const levels = { warning: [], critical: [{ badness: 1, count: bad }] };
  return { kind: 'counts', vantage: 'gateway', levels, ...(overQuota !== undefined && { overQuota }) };
};

test('nothing is kept of a model whose quota was never spent', () => {
  expect(addToOverQuota(undefined, 0, failures(50))).toBeUndefined();
});

test('is the share among all failures of late, of which half is forgotten in a minute', () => {
  const spent = addToOverQuota(undefined, 0, failures(10, 8))!;
  expect(overQuotaShare(spent)).toBe(0.8);
  const later = addToOverQuota(spent, 60_000, failures(5));
  expect(later).toEqual({ at: 60_000, bad: 10, overQuota: 4 });
  expect(overQuotaShare(later!)).toBe(0.4);
});

test('is forgotten when it is over', () => {
  let state: OverQuota | undefined = addToOverQuota(undefined, 0, failures(10, 8));
  for (let minute = 1; minute <= 5; minute++)
    state = state && addToOverQuota(state, minute * 60_000, failures(0));
  expect(state).toBeUndefined();
});
