import { describe, expect, test } from 'vitest';
import { syntaxError } from './promql.ts';
import { mapSelectors, objectionToCounters, objectionToHistogram, withSuffix } from './selectors.ts';

const relabelled = 'label_replace(flagged_total{a="b"}, "model", "$1", "deployment", "(.+)")';

describe('raw counters', () => {
  test.each([
    'flagged_total',
    'flagged_total{source="api",kind!~"a|b"}',
    '{__name__="flagged_total"}',
    '{"flagged.total"}',
    'a_total or b_total{x="1"} or c_total',
    '((a_total))',
    relabelled,
    `(a_total or ${relabelled})`,
    'label_replace(label_replace(a_total or b_total, "x", "$1", "y", ".*"), "z", "", "", "")',
  ])('are accepted: %s', expression => {
    expect(syntaxError(expression)).toBeUndefined();
    expect(objectionToCounters(expression)).toBeUndefined();
  });

  test.each([
    ['rate(a_total[5m])', '"rate(a_total[5m])" is an estimate'],
    ['increase(a_total[1h])', 'is an estimate'],
    ['a_total or irate(b_total[1m])', '"irate(b_total[1m])" is an estimate'],
    ['sum by (model) (a_total)', '"sum by (model) (a_total)" adds counters up'],
    ['label_replace(max(a_total), "x", "$1", "y", ".*")', '"max(a_total)" adds counters up'],
    ['a_total + b_total', '"a_total + b_total" is no raw counter'],
    ['a_total unless b_total', 'is no raw counter'],
    ['a_total or on (model) b_total', 'is no raw counter'],
    ['a_total > 5', 'is no raw counter'],
    ['-a_total', 'is no raw counter'],
    ['a_total offset 5m', 'is no raw counter'],
    ['a_total @ 1700000000', 'is no raw counter'],
    ['a_total[5m]', 'is no raw counter'],
    ['abs(a_total)', 'is no raw counter'],
    ['label_replace(a_total, "x", "$1")', 'is no raw counter'],
    ['a_total # all of them', 'is no raw counter'],
    ['17', 'is no raw counter'],
    ['"text"', 'is no raw counter'],
    ['{source="api"}', '"{source="api"}" does not say which counter'],
    ['{"some.label"="api"}', 'does not say which counter'],
    ['{__name__=~"a_total|b_total"}', 'does not say which counter'],
  ])('are refused: %s', (expression, message) => {
    expect(syntaxError(expression)).toBeUndefined();
    expect(objectionToCounters(expression)?.message).toContain(message);
  });

  test('a long one is cut short', () => {
    const { message } = objectionToCounters(`a + ${'b'.repeat(200)}`)!;
    expect(message).toMatch(/^"a \+ b{56}…" is no raw counter/);
  });
});

describe('histograms', () => {
  test.each(['rag_groundedness', 'a{x="1"} or b', '(a)'])('are accepted: %s', expression => {
    expect(objectionToHistogram(expression)).toBeUndefined();
  });

  test.each([
    ['rag_groundedness_bucket', 'is a part of a histogram'],
    ['a or b_sum{x="1"}', '"b_sum{x="1"}" is a part of a histogram'],
    ['{__name__="rag_groundedness"}', 'has no name in front of its braces'],
    ['rate(a[5m])', 'is an estimate'],
  ])('are refused: %s', (expression, message) => {
    expect(objectionToHistogram(expression)?.message).toContain(message);
  });
});

test('each selector is changed where it stands, and nothing else', () => {
  const written = mapSelectors(
    '(a_total{x="a_total"} or label_replace(b, "a_total", "$1", "y", "(.+)"))',
    selector => `increase(${selector}[10m])`,
  );
  expect(written).toBe(
    '(increase(a_total{x="a_total"}[10m]) or label_replace(increase(b[10m]), "a_total", "$1", "y", "(.+)"))',
  );
  expect(syntaxError(written)).toBeUndefined();
});

test('a suffix goes to the name', () => {
  expect(withSuffix('hits{a="hits"} or job:hits', '_bucket')).toBe(
    'hits_bucket{a="hits"} or job:hits_bucket',
  );
});
