import { expect, test } from 'vitest';
import { trendOf } from './trend.ts';
import { addToWindow, emptyWindow } from './window.ts';

const minuteMs = 60_000;

/** `before` for five hours, then `recent` for an hour, 10 requests a minute. */
function watched(before: number, recent: number) {
  const window = emptyWindow(0, 10 * minuteMs);
  let at = 0;
  for (let minute = 0; minute < 360; minute++) {
    at += minuteMs;
    addToWindow(window, at, { requests: 10, bad: 10 * (minute < 300 ? before : recent) });
  }
  return trendOf(window, at, 50);
}

test.each([
  { before: 0.01, recent: 0.01, direction: 'steady' },
  { before: 0.01, recent: 0.06, direction: 'worse' },
  { before: 0.2, recent: 0.05, direction: 'better' },
  { before: 0, recent: 0, direction: 'steady' },
  { before: 1, recent: 1, direction: 'steady' },
])('$before and then $recent is $direction', ({ before, recent, direction }) => {
  expect(watched(before, recent)?.direction).toBe(direction);
});

test('half an hour alone has nothing to be compared with', () => {
  const window = emptyWindow(0, 10 * minuteMs);
  addToWindow(window, minuteMs, { requests: 1000, bad: 10 });
  expect(trendOf(window, minuteMs, 50)).toBeUndefined();
});
