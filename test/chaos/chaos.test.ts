import { expect, test } from 'vitest';
import { scriptOf } from './episodes.ts';
import { describeCoverage, describeFailure, totalOf } from './report.ts';
import { shortest } from './shorten.ts';
import { play } from './world.ts';

const seeds = Array.from({ length: 300 }, (_, i) => i + 1);

test('what must hold holds in 300 seeds of everything going wrong', { timeout: 600_000 }, async () => {
  const played = [];
  for (const seed of seeds) played.push(await play(scriptOf(seed)));
  const failed = played.filter(({ violation }) => violation);
  if (failed.length > 0) {
    const numbers = failed.map(({ seed }) => seed).join(', ');
    throw new Error(`seeds ${numbers}\n${describeFailure(await shortest(scriptOf(failed[0]!.seed)))}`);
  }
  const counts = totalOf(played);
  console.log(describeCoverage(counts));
  // Otherwise it would show nothing.
  for (const [what, least] of Object.entries(leastOften))
    expect({ what, often: (counts.get(what) ?? 0) >= least }).toEqual({ what, often: true });
});

const leastOften = {
  failover: 300,
  probe: 300,
  ramp: 100,
  failback: 100,
  manual: 150,
  crashes: 300,
  'lost to another': 30,
  'done: pin': 70,
  'done: freeze': 80,
  'done: approve': 10,
  'done: reject': 3,
  'gateway answers 500, though applied': 30,
  'gateway answers 200, though dropped': 100,
  'gateway applies late': 50,
  'gateway hangs': 300,
  'gateway is changed by hand': 100,
  'database faults': 1000,
};

test('a seed plays the same again, step by step, and another one otherwise', async () => {
  const accountOf = async (seed: number) => (await play(scriptOf(seed), { withAccount: true })).account;
  const once = await accountOf(7);
  expect(await accountOf(7)).toEqual(once);
  expect(await accountOf(8)).not.toEqual(once);
});
