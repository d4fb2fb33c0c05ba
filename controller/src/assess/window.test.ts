import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addToWindow,
  emptyWindow,
  hasEnough,
  inEvaluation,
  inSixHours,
  lately,
  ratesOf,
  type Window,
} from './window.ts';

const tickMs = 5000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const newWindow = () => emptyWindow(0, 10 * minuteMs);

/** So many ticks one after the other; gives the time of the last. */
function pass(window: Window, from: number, ticks: number, requests = 1, bad = 0): number {
  for (let i = 1; i <= ticks; i++) addToWindow(window, from + i * tickMs, { requests, bad });
  return from + ticks * tickMs;
}

test('rates are those of the tenths, and of the one that is being filled once half of it is over', () => {
  const window = newWindow();
  const at = pass(window, pass(window, 0, 12, 10), 5, 20);
  expect(ratesOf(window, at)[0]).toEqual({ from: 0, perSecond: 2 });
  const later = pass(window, at, 2, 20);
  expect(ratesOf(window, later).slice(0, 2)).toEqual([
    { from: minuteMs, perSecond: 4 },
    { from: 0, perSecond: 2 },
  ]);
  expect(ratesOf(window, later + hourMs).every(({ perSecond }) => perSecond === 0)).toBe(true);
});

test('everything of the last six hours is there, once', () => {
  const window = newWindow();
  const ticks = (6 * hourMs) / tickMs;
  const at = pass(window, 0, ticks, 3, 1);
  expect(inSixHours(window, at)).toEqual({ requests: 3 * ticks, bad: ticks });
});

test.each([1, 10, 60, 1440])('an evaluation window of %i minutes is seen to a tenth of it', minutes => {
  const window = emptyWindow(0, minutes * minuteMs);
  const ticks = (minutes * minuteMs) / tickMs;
  const at = pass(window, 0, 3 * ticks);
  const { requests } = inEvaluation(window, at);
  expect(requests).toBeGreaterThanOrEqual(ticks);
  expect(requests).toBeLessThanOrEqual(1.1 * ticks + 1);
});

test('what is older is forgotten, also after a long silence, and when nothing more is added', () => {
  const window = newWindow();
  const busyUntil = pass(window, 0, 100, 1000);
  expect(inEvaluation(window, busyUntil + 12 * minuteMs).requests).toBe(0);
  expect(inSixHours(window, busyUntil + 7 * hourMs).requests).toBe(0);
  const at = busyUntil + 7 * hourMs;
  addToWindow(window, at, { requests: 2, bad: 1 });
  expect(inSixHours(window, at)).toEqual({ requests: 2, bad: 1 });
  expect(lately(window, at)).toEqual({ requests: 2, bad: 1 });
});

test('no request is lost or counted twice, at any rhythm', () => {
  const step = fc.record({ afterMs: fc.integer({ min: 200, max: 400_000 }), requests: fc.nat(50) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const window = newWindow();
      let at = 0;
      let total = 0;
      for (const { afterMs, requests } of steps) {
        if (at + afterMs > 5 * hourMs) break;
        at += afterMs;
        total += requests;
        addToWindow(window, at, { requests, bad: requests });
        expect(inSixHours(window, at)).toEqual({ requests: total, bad: total });
      }
    }),
  );
});

describe('the minimum of requests', () => {
  test('a busy model has it at once, a quiet one in time', () => {
    const busy = newWindow();
    expect(hasEnough(busy, pass(busy, 0, 1, 50), 50)).toBe(true);
    const quiet = (hours: number) => {
      const window = newWindow();
      for (let i = 1; i <= hours * 10; i++) addToWindow(window, i * 6 * minuteMs, { requests: 1, bad: 0 });
      return hasEnough(window, hours * hourMs, 50);
    };
    expect(quiet(4.9)).toBe(false);
    expect(quiet(5)).toBe(true);
  });

  test('requests of seven hours ago do not help', () => {
    const window = newWindow();
    pass(window, 0, 60, 50);
    const at = 7 * hourMs;
    addToWindow(window, at, { requests: 49, bad: 0 });
    expect(hasEnough(window, at, 50)).toBe(false);
  });
});
