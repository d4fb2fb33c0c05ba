import { describe, expect, test } from 'vitest';
import type { SignalReadings } from '../../controller/src/types.ts';
import { conditionsOf } from './conditions.ts';
import { exampleStage } from './example.ts';
import { seeded } from './random.ts';
import { direct, fromCounters } from './run.ts';

const phases = [
  {
    at: 0,
    success: 0.9,
    latency_ms: { lognormal: { p50: 1500, p95: 6000 } },
    score: { beta: { mean: 0.8, sd: 0.2 } },
  },
];

/** The readings of each tick, with the outcomes of its requests, on the short way and on the long one. */
async function bothWays(changes: Record<string, unknown>, ticks: number) {
  const stage = await exampleStage({ policy: {}, phases, ...changes });
  return [direct, fromCounters].map(way => {
    const conditions = conditionsOf(stage.scenario.targets[0], stage.edges, seeded('conditions'));
    const targets = way(stage, [{ conditions, random: seeded('requests') }]);
    return Array.from({ length: ticks }, (_, tick) => {
      const [fromMs, toMs] = [tick * 5000, (tick + 1) * 5000];
      conditions.advance(fromMs, toMs);
      const { requests, failed } = targets.tick(0, fromMs, toMs, 40);
      return { requests, failed, readings: targets.readings(toMs)[0]! };
    });
  });
}

function countOf(readings: SignalReadings, signal: 'success' | 'accuracy' = 'success'): number {
  const reading = readings[signal];
  return reading.kind === 'counts' ? reading.levels.critical.reduce((sum, { count }) => sum + count, 0) : 0;
}

test.each([
  ['scores at once', {}],
  ['scores for a third of the requests', { labels_per_request: 0.33 }],
  ['scores that come 20 s later', { label_delay: '20s' }],
])('counters, scrapes and increments give the readings of the short way: %s', async (_, changes) => {
  const [short, long] = await bothWays(changes, 60);
  // The first sight of a counter is a baseline, which says nothing.
  expect(long!.slice(1)).toEqual(short!.slice(1));
  expect(countOf(long![30]!.readings, 'accuracy')).toBeGreaterThan(0);
});

describe('when scraping goes badly', () => {
  const total = (ticks: readonly { readings: SignalReadings }[]) =>
    ticks.reduce((sum, { readings }) => sum + countOf(readings), 0);
  const requestsOf = (ticks: readonly { requests: number }[]) =>
    ticks.reduce((sum, { requests }) => sum + requests, 0);

  test('a missed scrape is caught up by the next, so nothing is lost or counted twice', async () => {
    const [, long] = await bothWays({ scrape: { interval: '5s', missed: 0.3 } }, 200);
    expect(long!.some(({ readings }) => readings.success.kind === 'absent')).toBe(true);
    const last = long!.findLastIndex(({ readings }) => readings.success.kind === 'counts');
    const first = long!.findIndex(({ readings }) => readings.success.kind === 'counts');
    expect(total(long!.slice(0, last + 1))).toBe(requestsOf(long!.slice(first + 1, last + 1)));
  });

  test('a gap is unknown once the last scrape is stale, and what happened in it is not believed', async () => {
    const [, long] = await bothWays({ scrape: { gaps: [{ at: '5m', for: '5m' }] } }, 180);
    expect(long![80]!.readings.success).toEqual({ kind: 'absent', reason: 'no target was scraped lately' });
    expect(total(long!.slice(60, 119))).toBe(0);
    expect(countOf(long![119]!.readings)).toBe(0);
    expect(countOf(long![121]!.readings)).toBe(long![121]!.requests);
  });

  test('a restart loses at most what came after the last scrape', async () => {
    const [, long] = await bothWays({ replicas: 4, resets: { every: '62s', replica: 3 } }, 300);
    const [seen, sent] = [total(long!.slice(1)), requestsOf(long!.slice(1))];
    expect(seen).toBeLessThan(sent);
    expect(seen / sent).toBeGreaterThan(0.97);
  });
});
