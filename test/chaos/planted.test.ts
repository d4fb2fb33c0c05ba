import { afterAll, describe, expect, test, vi } from 'vitest';
import type { decide } from '../../controller/src/decide/decide.ts';
import { scriptOf } from './episodes.ts';
import { invariants } from './invariants.ts';
import { type Planted, planted } from './planted.ts';
import { play } from './world.ts';

/*
 * A test of the test: a simulation that finds nothing shows something only if it would find what is there.
 */

const mostSeeds = 300;

const seam = vi.hoisted(() => ({ decide: undefined as Planted['decide'] }));
vi.mock('../../controller/src/decide/decide.ts', async original => {
  const real = (await original()) as { readonly decide: typeof decide };
  return {
    ...real,
    decide: (situation: Parameters<typeof decide>[0]) =>
      seam.decide ? seam.decide(situation, real.decide) : real.decide(situation),
  };
});

const caught: string[] = [];
afterAll(() => console.log(caught.join('\n')));

test('every invariant has a bug that breaks it', () => {
  expect(new Set(planted.map(({ breaks }) => breaks))).toEqual(new Set(Object.keys(invariants)));
});

describe('within 300 seeds it is noticed that', () => {
  test.for(planted)('$bug', { timeout: 300_000 }, async ({ breaks, bug, tamper, decide }) => {
    seam.decide = decide;
    const violation = await firstViolation(tamper);
    seam.decide = undefined;
    caught.push(`${violation?.invariant}: "${bug}", at seed ${violation?.seed}: ${violation?.what}`);
    expect(violation?.invariant).toBe(breaks);
  });
});

async function firstViolation(tamper: Planted['tamper']) {
  for (let seed = 1; seed <= mostSeeds; seed++) {
    const { violation } = await play(scriptOf(seed), tamper ? { tamper } : {});
    if (violation) return { ...violation, seed };
  }
  return undefined;
}
