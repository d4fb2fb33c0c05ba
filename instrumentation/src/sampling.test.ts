import { expect, test } from 'vitest';
import { createSampling } from './sampling.ts';

test('the cap holds for every second, and begins anew with the next', () => {
  let nowMs = 0;
  const draw = createSampling({ sample: 1, maximumPerSecond: 2, random: () => 0, clockMs: () => nowMs });
  const draws = [0, 1, 500, 999, 1_000, 1_001, 1_002].map(at => {
    nowMs = at;
    return draw();
  });
  const [yes, no] = ['drawn', 'rate_limited'];
  expect(draws).toEqual([yes, yes, no, no, yes, yes, no]);
});

test('who is passed over takes no place', () => {
  const random = [0.9, 0.05, 0.1, 0.09];
  const draw = createSampling({
    sample: 0.1,
    maximumPerSecond: 1,
    random: () => random.shift()!,
    clockMs: () => 0,
  });
  expect([draw(), draw(), draw(), draw()]).toEqual(['passed_over', 'drawn', 'passed_over', 'rate_limited']);
});
