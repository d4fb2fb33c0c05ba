import { expect, test } from 'vitest';
import { type ComparedAnswer, equalJson, equalText } from './compare.ts';

const label = equalJson('/label');
const both = equalJson('/label', '/parts/0');

test.each([
  ['the same label', label, { label: 'spam', score: 0.9 }, { label: 'spam', score: 0.8 }, 1],
  ['another label', label, { label: 'spam' }, { label: 'ham' }, 0],
  ['one of two', both, { label: 'spam', parts: [{ a: 1 }] }, { label: 'ham', parts: [{ a: 1 }] }, 0.5],
  ['a place that the copy lacks', label, { label: 'spam' }, {}, 0],
  ['a place that the caller’s answer lacks', both, { label: 'spam' }, { label: 'spam', parts: [1] }, 1],
  ['no place at all', label, { error: 'too long' }, { label: 'spam' }, undefined],
])('JSON: %s', (_name, compare, live, shadow, score) => {
  expect(compare(answer(JSON.stringify(live)), answer(JSON.stringify(shadow)))).toBe(score);
});

test('JSON beside what is none', () => {
  expect(label(answer('{"label":"spam"}'), answer('busy'))).toBe(0);
  expect(label(answer('busy'), answer('{"label":"spam"}'))).toBeUndefined();
});

test('text', () => {
  expect(equalText()(answer('hello'), answer('hello'))).toBe(1);
  expect(equalText()(answer('hello'), answer('hallo'))).toBe(0);
  expect(equalText()(answer('hello'), { ...answer('hello'), status: 404 })).toBe(0);
});

function answer(body: string): ComparedAnswer {
  return { status: 200, headers: {}, body: Buffer.from(body) };
}
