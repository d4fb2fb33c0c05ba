import { expect, test } from 'vitest';
import { expressionMatches, longestText } from './regular-expressions.ts';

test.each([
  ['(?i)\\bparis\\b', 'It is Paris.', true],
  ['(?i)\\bparis\\b', 'Comparison', false],
  ['^\\{', '{ "a": 1 }', true],
])('%s on %j', (expression, text, found) => {
  expect(expressionMatches(expression, text)).toBe(found);
});

test('an expression that takes a backtracking engine years is answered, and so is one on endless text', () => {
  expect(expressionMatches('^(a+)+$', `${'a'.repeat(5_000)}!`)).toBe(false);
  expect(expressionMatches('z', `${'a'.repeat(longestText)}z`)).toBe(false);
});
