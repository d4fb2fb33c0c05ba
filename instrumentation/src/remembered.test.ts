import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRemembered } from './remembered.ts';

test('a request is known until it is too old', () => {
  let nowMs = 0;
  const remembered = createRemembered<string>({ maximum: 10, seconds: 60, clockMs: () => nowMs });
  remembered.remember('a', 'model');
  nowMs = 60_000;
  expect(remembered.find('a')).toBe('model');
  nowMs = 60_001;
  expect(remembered.find('a')).toBeUndefined();
  expect(remembered.mark('a', 'rating')).toBe(false);
});

test('one thing is said of a request once, and anew of a new one with its id', () => {
  const remembered = createRemembered<string>({ maximum: 10, seconds: 60 });
  remembered.remember('a', 'model');
  expect([remembered.mark('a', 'rating'), remembered.mark('a', 'rating')]).toEqual([true, false]);
  expect(remembered.mark('a', 'score')).toBe(true);
  remembered.remember('a', 'other');
  expect(remembered.find('a')).toBe('other');
  expect(remembered.mark('a', 'rating')).toBe(true);
});

test('the last ones that were remembered are known, and no others', () => {
  const ids = fc.array(fc.integer({ min: 0, max: 9 }).map(String), { maxLength: 40 });
  fc.assert(
    fc.property(ids, fc.integer({ min: 1, max: 8 }), (seen, maximum) => {
      const remembered = createRemembered<number>({ maximum, seconds: 60 });
      for (const [index, id] of seen.entries()) remembered.remember(id, index);
      const kept = new Map(seen.map((id, index) => [id, index] as const).slice(-maximum));
      for (let id = 0; id < 10; id++)
        expect(remembered.find(String(id)), String(id)).toBe(kept.get(String(id)));
    }),
  );
});
