import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addToWindow, countsWithin, emptyWindow, hasEnough, type Window } from './window.ts';

const tickMs = 5000;
const minuteMs = 60_000;
const hourMs = 3_600_000;

function ticked(window: Window, from: number, ticks: number, requests = 1, bad = 0): Window {
  let next = window;
  for (let i = 1; i <= ticks; i++) next = addToWindow(next, from + i * tickMs, { requests, bad });
  return next;
}

test('everything of the last six hours is there, once, however it was merged', () => {
  const ticks = (6 * hourMs) / tickMs;
  const window = ticked(emptyWindow(0), 0, ticks, 3, 1);
  expect(countsWithin(window, ticks * tickMs, 6 * hourMs)).toEqual({ requests: 3 * ticks, bad: ticks });
});

test('six hours take few buckets', () => {
  const window = ticked(emptyWindow(0), 0, (24 * hourMs) / tickMs);
  const numbersPerBucket = 4;
  expect(window.past.length / numbersPerBucket).toBeLessThan(30);
});

test('ten minutes are seen to the minute', () => {
  const ticks = (2 * hourMs) / tickMs;
  const { requests } = countsWithin(ticked(emptyWindow(0), 0, ticks), ticks * tickMs, 10 * minuteMs);
  expect(requests).toBeGreaterThanOrEqual((10 * minuteMs) / tickMs);
  expect(requests).toBeLessThanOrEqual((12 * minuteMs) / tickMs);
});

test('what is older than six hours is forgotten, also after a long silence', () => {
  const busy = ticked(emptyWindow(0), 0, 100, 1000);
  const later = addToWindow(busy, 100 * tickMs + 7 * hourMs, { requests: 2, bad: 1 });
  const at = 100 * tickMs + 7 * hourMs;
  expect(countsWithin(later, at, 6 * hourMs)).toEqual({ requests: 2, bad: 1 });
});

test('no merge loses or repeats a request, at any rhythm', () => {
  const step = fc.record({ afterMs: fc.integer({ min: 200, max: 400_000 }), requests: fc.nat(50) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      let window = emptyWindow(0);
      let at = 0;
      let total = 0;
      for (const { afterMs, requests } of steps) {
        if (at + afterMs > 5 * hourMs) break;
        at += afterMs;
        total += requests;
        window = addToWindow(window, at, { requests, bad: requests });
        expect(countsWithin(window, at, 6 * hourMs)).toEqual({ requests: total, bad: total });
      }
    }),
  );
});

describe('the minimum of requests', () => {
  test('a busy model has it at once, a quiet one in time', () => {
    expect(hasEnough(ticked(emptyWindow(0), 0, 1, 50), tickMs, 50)).toBe(true);
    const quiet = (hours: number) => {
      let window = emptyWindow(0);
      for (let i = 1; i <= hours * 10; i++)
        window = addToWindow(window, i * 6 * minuteMs, { requests: 1, bad: 0 });
      return hasEnough(window, hours * hourMs, 50);
    };
    expect(quiet(4.9)).toBe(false);
    expect(quiet(5)).toBe(true);
  });

  test('requests of seven hours ago do not help', () => {
    const window = ticked(emptyWindow(0), 0, 60, 50);
    const at = 7 * hourMs;
    expect(hasEnough(addToWindow(window, at, { requests: 49, bad: 0 }), at, 50)).toBe(false);
  });
});
