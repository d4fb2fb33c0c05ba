import { expect, test } from 'vitest';
import { conditionsOf } from './conditions.ts';
import { exampleStage } from './example.ts';
import { seeded } from './random.ts';

/** Success of each tick of 5 s. */
async function successes(changes: Record<string, unknown>, ticks: number, replica = 1): Promise<number[]> {
  const { scenario, edges } = await exampleStage({ phases: [{ at: 0, success: 0.9 }], ...changes });
  const conditions = conditionsOf(scenario.targets[0], edges, seeded('conditions'));
  return Array.from({ length: ticks }, (_, tick) => {
    conditions.advance(tick * 5000, (tick + 1) * 5000);
    return conditions.current(replica).success;
  });
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('a drift goes there linearly', async () => {
  const phases = [
    { at: 0, success: 1 },
    { at: '50s', drift: '100s', success: 0.8 },
  ];
  const seen = await successes({ phases }, 40);
  expect(seen[9]).toBe(1);
  expect(seen[19]).toBeCloseTo(1 - 0.2 * 0.475, 9);
  expect(seen[30]).toBe(0.8);
});

test('a periodic fault hits its replica, in its share of each period', async () => {
  const changes = {
    replicas: 2,
    faults: { start: '10s', period: '20s', duty: 0.25, success: 0.1, replica: 2 },
  };
  expect((await successes(changes, 7, 2)).map(success => success < 0.5)).toEqual([
    false,
    false,
    true,
    false,
    false,
    false,
    true,
  ]);
  expect(new Set(await successes(changes, 7, 1))).toEqual(new Set([0.9]));
});

test('bursts take the share of time that their rate and length say', async () => {
  const bursts = { per_day: 288, seconds: { constant: 15 }, error_multiplier: 3 };
  const seen = await successes({ bursts }, 200_000);
  // On average 300 s between two bursts of 15 s, in which 0.3 fail instead of 0.1.
  expect((0.9 - mean(seen)) / 0.2).toBeCloseTo(15 / 315, 2);
  expect(seen.reduce((least, success) => Math.min(least, success))).toBeCloseTo(0.7, 9);
});

test('heavy-tailed bursts have a heavy tail', async () => {
  const bursts = {
    per_day: 288,
    seconds: { pareto: { min: 5, alpha: 1.1, max: 600 } },
    error_rate: 1,
    gaps: 'pareto',
  };
  const seen = await successes({ bursts }, 50_000);
  let longest = 0;
  for (let i = 0, run = 0; i < seen.length; i++) {
    run = seen[i] === 0 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  expect(longest * 5).toBeGreaterThan(100);
  expect(longest * 5).toBeLessThanOrEqual(600);
});

test('noise wanders on the logit with its spread and its memory', async () => {
  const seen = await successes({ noise: { logit_sd: 0.3, tau: '30s' } }, 100_000);
  const logits = seen.map(success => Math.log(success / (1 - success)));
  const centre = mean(logits);
  const variance = mean(logits.map(logit => (logit - centre) ** 2));
  const kept = mean(logits.slice(6).map((logit, i) => (logit - centre) * (logits[i]! - centre))) / variance;
  expect(centre).toBeCloseTo(Math.log(9), 1);
  expect(Math.sqrt(variance)).toBeCloseTo(0.3, 1);
  expect(kept).toBeCloseTo(Math.exp(-1), 1);
});

test('noise moves scores and slow requests too', async () => {
  const phases = [
    { at: 0, latency_ms: { lognormal: { p50: 600, p95: 2000 } }, score: { beta: { mean: 0.9, sd: 0.1 } } },
  ];
  const { scenario, edges } = await exampleStage({ phases, noise: { logit_sd: 0.3, tau: '30s' } });
  const conditions = conditionsOf(scenario.targets[0], edges, seeded('noise'));
  const pairs = Array.from({ length: 200 }, (_, tick) => {
    conditions.advance(tick * 5000, (tick + 1) * 5000);
    const { slow, scores } = conditions.current(1);
    return { slow: slow.warning, score: scores.reduce((sum, chance, i) => sum + (chance * i) / 10, 0) };
  });
  const byScore = pairs.toSorted((a, b) => a.score - b.score);
  expect(byScore.at(-1)!.score - byScore[0]!.score).toBeGreaterThan(0.03);
  expect(byScore[0]!.slow).toBeGreaterThan(byScore.at(-1)!.slow);
});
