import { expect, it } from 'vitest';
import type { Group, Mail } from './corpus.ts';
import { draw, expectation, populations } from './population.ts';
import { seededRandom } from './random.ts';

const heldBack = (['easy-ham-1', 'hard-ham-1', 'spam-1', 'spam-2', 'spam-2'] as Group[]).map(
  (group, number): Mail => ({ id: `${group}/${number}`, group, spam: group.startsWith('spam'), text: '' }),
);
const { early, shifted } = populations(heldBack);

it('draws in the stated shares, the same for the same seed', () => {
  const drawn = draws(1, 10_000);
  const share = (group: Group) => drawn.filter(mail => mail.group === group).length / drawn.length;
  expect(share('hard-ham-1')).toBeCloseTo(0.7, 1);
  expect(share('spam-2')).toBeCloseTo(0.3, 1);
  expect(draws(1, 100)).toEqual(drawn.slice(0, 100));
  expect(draws(2, 100)).not.toEqual(drawn.slice(0, 100));
});

it('expects what the draws come to', () => {
  expect(expectation(early, mail => (mail.spam ? 1 : 0))).toBe(0.5);
  expect(expectation(shifted, mail => (mail.spam ? 1 : 0))).toBeCloseTo(0.3);
});

it('says so when there is nothing to draw', () => {
  expect(() => draw([{ share: 1, mail: [] }], () => 0)).toThrow('no mail to draw from');
});

function draws(seed: number, count: number): Mail[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => draw(shifted, random));
}
