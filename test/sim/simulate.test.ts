import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { exampleStage, readExample } from './example.ts';
import { runJob, stageOf } from './run.ts';
import { loadScenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import { resultOf } from './summary.ts';

const quiet = { seed: 1, threads: 1, progress: () => undefined };
const day = 86_400;

/** The rows of a few repeats, without threads. */
async function results(changes: Record<string, unknown>, detector: 'ours' | 'naive', repeats: number) {
  const stage = await exampleStage(changes);
  return stage.scenario.rates.map(rate =>
    resultOf(
      { scenario: 'example', level: stage.scenario.level, rate, detector },
      Array.from({ length: repeats }, (_, repeat) => runJob(stage, { rate, detector, repeat, seed: 1 })),
    ),
  );
}

test('the same seed gives the same bytes, whatever the number of threads; another seed does not', async () => {
  const scenarios = [
    await readExample({ rates: [1, 10], noise: { logit_sd: 0.2, tau: '30s' } }),
    await readExample({ name: 'counters', rates: [5], replicas: 2, scrape: { missed: 0.1, jitter: '1s' } }),
  ];
  const run = async (threads: number, seed: number) =>
    JSON.stringify(
      await simulate(scenarios, { ...quiet, threads, seed, repeat: 3, detectors: ['ours', 'naive'] }),
    );
  const one = await run(1, 1);
  expect(await run(2, 1)).toBe(one);
  expect(await run(1, 2)).not.toBe(one);
});

test('the naive detector false-alarms as often as when the design was made: 140 a month', async () => {
  const month = { duration: 30 * day, diurnal: { min: 0.3, max: 1.7 }, phases: [{ at: 0, success: 0.96 }] };
  const [result] = await results(month, 'naive', 1);
  expect(result!.falseAlarms).toBeGreaterThan(95);
  expect(result!.falseAlarms).toBeLessThan(190);
  expect(result!.falseSwitches).toBe(result!.falseAlarms);
});

test('the controller stays silent there', async () => {
  const healthy = {
    rates: [1, 100],
    duration: 10 * day,
    diurnal: { min: 0.3, max: 1.7 },
    phases: [{ at: 0, success: 0.96 }],
  };
  for (const result of await results(healthy, 'ours', 1))
    expect(result).toMatchObject({ falseAlarms: 0, recall: null });
});

test('half of the requests failing is noticed within 25 s at 10 and 100 req/s, always', async () => {
  for (const result of await results({ rates: [10, 100] }, 'ours', 20)) {
    expect(result).toMatchObject({ recall: 1, falseAlarms: 0, incidents: 20 });
    expect(result.delaySeconds.p99).toBeLessThanOrEqual(25);
  }
});

test('a drop of the score is noticed within twice the bound', async () => {
  const phases = [
    { at: 0, score: { beta: { mean: 0.9, sd: 0.12 } } },
    { at: '30m', score: { beta: { mean: 0.7, sd: 0.15 } }, degraded: true },
  ];
  const [result] = await results({ rates: 1, phases }, 'ours', 10);
  expect(result!.recall).toBe(1);
  expect(result!.delayRatio.median).toBeLessThan(2);
});

test('a periodic fault moves the route once, and the naive way back and forth', async () => {
  const flapping = {
    policy: {},
    duration: '12h',
    phases: [{ at: 0, success: 0.99 }],
    faults: { start: '1h', period: '20m', duty: 0.5, success: 0.5 },
    backups: [{ success: 0.99 }],
  };
  const [ours] = await results(flapping, 'ours', 1);
  const [naive] = await results(flapping, 'naive', 1);
  expect(ours!.switchesPerDay).toBeLessThanOrEqual(2);
  expect(naive!.switchesPerDay).toBeGreaterThan(50);
  expect(ours!.failedShare).toBeLessThan(naive!.failedShare! / 3);
});

test('a shared outage leaves the primary serving while it lasts', async () => {
  const down = [
    { at: 0, success: 0.99 },
    { at: '10m', success: 0, degraded: true },
  ];
  const stage = await exampleStage({
    policy: {},
    duration: '30m',
    phases: down,
    backups: [{ phases: down }],
  });
  expect(runJob(stage, { rate: 10, detector: 'ours', repeat: 0, seed: 1 }).falseSwitches).toBe(0);
});

test('real arrivals are replayed, each request once, and slow by its own size', async () => {
  const file = fileURLToPath(new URL('scenarios/azure_chat.yml', import.meta.url));
  const scenario = { ...(await loadScenario(file)), durationMs: 10 * 3_600_000 };
  const [rate] = scenario.rates;
  const score = runJob(stageOf(scenario), { rate: rate!, detector: 'ours', repeat: 0, seed: 1 });
  expect(score.requests / 36_000 / rate!).toBeCloseTo(1, 2);
  expect(score).toMatchObject({ falseAlarms: 0, detections: [] });
});
