import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readExample } from './example.ts';
import { loadScenario, policyOf, ScenarioRefused } from './scenario.ts';

const folder = new URL('scenarios/', import.meta.url);
const shipped = (await readdir(folder)).map(name => fileURLToPath(new URL(name, folder)));

test.each(shipped)('%s can be run and has the name of its file', async file => {
  const { name } = await loadScenario(file);
  expect(file.endsWith(`/${name}.yml`)).toBe(true);
});

test('what a phase does not name stays as it was, the label too', async () => {
  const { targets } = await readExample({
    phases: [
      { at: '0h', success: 0.99, score: { bernoulli: 0.9 } },
      { at: '10m', success: 0.5, degraded: true },
      { at: '20m', drift: '5m', success: 0.4 },
      { at: '40m', success: 0.99, degraded: false },
    ],
  });
  const score = { kind: 'bernoulli', p: 0.9 };
  expect(targets[0].phases).toEqual([
    { atMs: 0, driftMs: 0, success: 0.99, score, degraded: false },
    { atMs: 600_000, driftMs: 0, success: 0.5, score, degraded: true },
    { atMs: 1_200_000, driftMs: 300_000, success: 0.4, score, degraded: true },
    { atMs: 2_400_000, driftMs: 0, success: 0.99, score, degraded: false },
  ]);
});

test('times, rates and distributions are read in every form', async () => {
  const scenario = await readExample({
    rates: [0.2, 10],
    duration: '1h30m',
    tick: '1s',
    label_delay: '250ms',
    phases: [
      {
        at: 0,
        latency_ms: {
          mixture: [
            { weight: 3, lognormal: { p50: 100, p99: 500 } },
            { weight: 1, constant: 30 },
          ],
        },
        score: { beta: { mean: 0.9, sd: 0.1 } },
      },
    ],
  });
  expect(scenario).toMatchObject({
    rates: [0.2, 10],
    durationMs: 5_400_000,
    tickMs: 1000,
    labelDelayMs: 250,
  });
  expect(scenario.targets[0].phases[0]!.latency).toMatchObject({
    kind: 'mixture',
    parts: [{ weight: 0.75, of: { kind: 'lognormal', median: 100 } }, { weight: 0.25 }],
  });
  expect(policyOf(scenario).detection.tickMs).toBe(1000);
});

test('distributions may be written with the parameters of the textbooks', async () => {
  const { targets } = await readExample({
    phases: [
      { at: 0, success: 0.99, score: { beta: { alpha: 1, beta: 1 } } },
      { at: '10m', score: { bernoulli: { p: 0.9 } } },
    ],
    bursts: { per_day: 6, seconds: { pareto: { scale: 5, shape: 1.5 } }, error_rate: 0.1 },
  });
  expect(targets[0].phases).toMatchObject([
    { score: { kind: 'beta', mean: 0.5, sd: Math.sqrt(1 / 12) } },
    { score: { kind: 'bernoulli', p: 0.9 } },
  ]);
  expect(targets[0].bursts).toMatchObject({ seconds: { pareto: { min: 5, alpha: 1.5 } } });
});

test('a backup is as the primary was at first, except in what it says', async () => {
  const { targets } = await readExample({
    backups: [{ success: 0.97 }, { faults: { period: '5m', success: 0 } }],
  });
  expect(targets[1]!.phases).toMatchObject([
    { success: 0.97, latency: { kind: 'lognormal' }, degraded: false },
  ]);
  expect(targets[2]).toMatchObject({
    phases: [{ success: 0.99 }],
    faults: [{ periodMs: 300_000, success: 0 }],
  });
});

describe('a scenario that cannot be run says why, where, and what to do', () => {
  const good = { at: 0, success: 0.99 };
  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['an unknown key', { ratess: 3 }, 'ratess', /is not a key.*\n.*a scenario has: name/],
    [
      'an unknown key of a phase',
      { phases: [{ at: 0, sucess: 1 }] },
      'phases.0.sucess',
      /phases takes a list of/,
    ],
    ['no rate', { rates: undefined }, 'rates', /is needed/],
    ['a negative rate', { rates: [-1] }, 'rates.0', /requests a second/],
    ['no phases', { phases: undefined }, 'phases', /is missing/],
    ['a time without unit', { duration: 'an hour' }, 'duration', /for example 24h/],
    ['a success rate in percent', { phases: [{ at: 0, success: 99 }] }, 'phases.0.success', /0 to 1/],
    [
      'a phase before its predecessor',
      { phases: [good, { at: '9m' }, { at: '8m' }] },
      'phases.2.at',
      /in order of time/,
    ],
    [
      'a first phase that is late',
      { phases: [{ at: '1m', success: 1 }] },
      'phases.0.at',
      /first phase at: 0h/,
    ],
    ['a phase beyond the end', { phases: [good, { at: '2h' }] }, 'phases.1.at', /beyond the end/],
    [
      'a spread that no score has',
      { phases: [{ at: 0, score: { beta: { mean: 0.9, sd: 0.4 } } }] },
      'phases.0.score.beta',
      /larger sd/,
    ],
    [
      'two distributions',
      { phases: [{ at: 0, latency_ms: { constant: 1, bernoulli: 1 } }] },
      'phases.0.latency_ms',
      /exactly one/,
    ],
    [
      'a replica that is not there',
      { replicas: 2, resets: { every: '7m', replica: 3 } },
      'resets.replica',
      /give 1 to 2/,
    ],
    ['a policy that is not there', { policy: 'nowhere.yml' }, 'policy', /cannot be read/],
    [
      'a policy that contradicts itself',
      { policy: { model_performance: { success_rate: { warning_threshold: 0.8 } } } },
      'policy: model_performance.success_rate',
      /comes after/,
    ],
    [
      'a trace that is not there',
      { rates: undefined, arrivals: { trace: 'none.csv' } },
      'arrivals.trace',
      /no such file/,
    ],
    [
      'tokens without requests that have some',
      { phases: [{ at: 0, latency_ms: { tokens: { base_ms: 1, per_context_ms: 1, per_generated_ms: 1 } } }] },
      'phases',
      /no requests with tokens/,
    ],
  ])('%s', async (_, changes, path, words) => {
    const error = await readExample(changes).catch(error => error);
    expect(error).toBeInstanceOf(ScenarioRefused);
    expect(error.problems.map((problem: { path: string }) => problem.path)).toContain(path);
    expect(error.message).toMatch(words);
  });

  test('every problem at once', async () => {
    const error = await readExample({ rates: 0, repeat: 0, tick: 'x' }).catch(error => error);
    expect(error.problems.map((problem: { path: string }) => problem.path).sort()).toEqual([
      'rates',
      'repeat',
      'tick',
    ]);
  });
});
