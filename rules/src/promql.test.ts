import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { duration, edge, histogramBuckets, histogramSpellings, literal, syntaxError } from './promql.ts';

describe('syntaxError', () => {
  test.each([
    'up',
    'sum by (model) (increase(requests_total{outcome=~"error|timeout"}[10m])) > 0.5',
    '{__name__=~"a|b",le=~"2(\\\\.0)?"}',
    'model:bad:ratio10m unless on () (time() - max(seen) < 60)',
  ])('accepts %s', expression => {
    expect(syntaxError(expression)).toBeUndefined();
  });

  test.each([
    ['sum(rate(x[5m])', 'at character'],
    ['x{a=}', 'at character 5'],
    ['rate(x[5 parsecs])', 'near "'],
    ['', 'the expression is empty'],
    ['  ', 'the expression is empty'],
  ])('refuses %j and says where', (expression, where) => {
    expect(syntaxError(expression)).toContain(where);
  });
});

test.each([
  [0.25, '250ms'],
  [1, '1s'],
  [90, '90s'],
  [60, '1m'],
  [600, '10m'],
  [3600, '1h'],
  [5400, '90m'],
])('%d seconds are written %s', (seconds, written) => {
  expect(duration(seconds)).toBe(written);
});

/** Prometheus anchors its regular expressions at both ends. */
const matches = (pattern: string, text: string) => new RegExp(`^(?:${pattern})$`).test(text);

test.each([
  [2, ['2', '2.0'], ['20', '2.5', '12', '200']],
  [0.5, ['0.5'], ['0.50', '005', '10.5']],
  [10, ['10', '10.0'], ['100', '1']],
])('the edge at %d s is found in both spellings and in no other', (seconds, same, other) => {
  for (const written of same) expect(matches(edge(seconds), written), written).toBe(true);
  for (const written of other) expect(matches(edge(seconds), written), written).toBe(false);
});

test('the two spellings of a histogram are the ones its pattern matches', () => {
  for (const name of histogramSpellings('latency'))
    expect(matches(histogramBuckets('latency'), name)).toBe(true);
  expect(histogramSpellings('latency')).toEqual(['latency_bucket', 'latency_seconds_bucket']);
  expect(matches(histogramBuckets('latency'), 'latency_milliseconds_bucket')).toBe(false);
});

test('a literal matches itself and nothing else', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, other) => {
      expect(matches(literal(text), text)).toBe(true);
      if (text !== other) expect(matches(literal(text), other)).toBe(false);
    }),
  );
});
