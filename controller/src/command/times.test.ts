import { expect, test } from 'vitest';
import { ending, instant, local, span, withLocalTimes } from './times.ts';

const now = Date.parse('2026-11-02T08:00:00Z');

test.each([
  ['now', now],
  ['90s', now - 90_000],
  ['1.5h', now - 5_400_000],
  ['2d', now - 172_800_000],
  ['1793606400000', 1_793_606_400_000],
  ['2026-11-02T07:00:00Z', now - 3_600_000],
])('the time %s', (text, at) => {
  expect(instant('--at', text, now)).toBe(at);
});

test('what ends after a span, or at a time', () => {
  expect(ending({ for: '30m' }, now)).toBe('2026-11-02T08:30:00.000Z');
  expect(ending({ until: '2026-11-02T18:00:00Z' }, now)).toBe('2026-11-02T18:00:00.000Z');
  expect(() => ending({ until: 'later' }, now)).toThrow(/--until later is not a time/);
});

test.each([
  [-5_000, '0 s'],
  [900, '1 s'],
  [119_000, '119 s'],
  [119_800, '2 min'],
  [7_199_700, '2 h'],
  [47 * 3_600_000, '47 h'],
  [49 * 3_600_000, '2 d'],
])('%i ms are %s', (ms, words) => {
  expect(span(ms)).toBe(words);
});

test('times inside a text are by the reader’s clock', () => {
  const at = '2026-11-02T08:00:05.123Z';
  expect(withLocalTimes(`from ${at} to ${at}: x`)).toBe(`from ${local(at)} to ${local(at)}: x`);
  expect(local(at)).toMatch(/^2026-11-\d\d \d\d:\d\d:05$/);
});
