import { expect, test } from 'vitest';
import { createCapacity } from './capacity.ts';

const unlimited = Number.POSITIVE_INFINITY;

test('so many at a time have room, and no more until one ends', () => {
  const target = { capacity: { requestsPerSecond: unlimited, inFlight: 2 } };
  const capacity = createCapacity([target], 0);
  const [endFirst] = [capacity.take(target, 0), capacity.take(target, 0)];
  expect(capacity.hasRoom(target, 60_000)).toBe(false);
  endFirst?.();
  expect(capacity.hasRoom(target, 60_000)).toBe(true);
});

test.each([
  { requestsPerSecond: 50, everyMs: 10, expected: 500 },
  { requestsPerSecond: 50, everyMs: 1, expected: 500 },
  { requestsPerSecond: 2, everyMs: 100, expected: 20 },
  { requestsPerSecond: 50, everyMs: 100, expected: 100 },
])('$requestsPerSecond a second, asked every $everyMs ms: $expected in ten', given => {
  const target = { capacity: { requestsPerSecond: given.requestsPerSecond, inFlight: unlimited } };
  const capacity = createCapacity([target], 0);
  let taken = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs += given.everyMs) {
    if (!capacity.hasRoom(target, nowMs)) continue;
    capacity.take(target, nowMs);
    taken += 1;
  }
  // What a burst may take more, or rounding less.
  expect(Math.abs(taken - given.expected)).toBeLessThanOrEqual(6);
});

test('a target without limits always has room', () => {
  const target = { capacity: { requestsPerSecond: unlimited, inFlight: unlimited } };
  const capacity = createCapacity([target], 0);
  for (let index = 0; index < 1_000; index += 1) capacity.take(target, 0);
  expect(capacity.hasRoom(target, 0)).toBe(true);
});
