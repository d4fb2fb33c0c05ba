import { expect, test } from 'vitest';
import type { ProbeResult, Verdict } from '../types.ts';
import { backoffMs } from './backoff.ts';
import { vet } from './backups.ts';
import type { Situation } from './situation.ts';

const minuteMs = 60_000;

test.each([
  [0, 15],
  [1, 30],
  [2, 60],
  [3, 120],
  [4, 240],
  [5, 240],
  [2000, 240],
])('the wait at level %i is %i minutes', (level, minutes) => {
  const failback = {
    backoffMs: 15 * minuteMs,
    backoffCapMs: 240 * minuteMs,
  } as Situation['route']['failback'];
  expect(backoffMs(failback, level)).toBe(minutes * minuteMs);
});

const now = 1_000_000;
const healthy: Verdict = { kind: 'healthy' };
const unknown: Verdict = { kind: 'unknown', reason: '3 of 50 requests seen so far' };
const degraded = (level: 'warning' | 'critical'): Verdict => ({
  kind: 'degraded',
  level,
  signal: 'latency',
  since: 0,
});
const passed = (at: number): ProbeResult => ({ kind: 'passed', at, durationMs: 12.4 });
const failed = (failures: number): ProbeResult => ({
  kind: 'failed',
  at: now,
  reason: 'refused',
  failures,
  since: 0,
});

test.each<[what: string, verdict: Verdict, probe: ProbeResult | undefined, vetted: boolean, why: string]>([
  [
    'a fresh probe vouches for an unknown target',
    unknown,
    passed(now - 35_000),
    true,
    'its probe passed in 12 ms',
  ],
  [
    'an old probe does not',
    unknown,
    passed(now - 35_001),
    false,
    'neither a recent probe nor evidence vouches for it (3 of 50 requests seen so far; its last probe is 35 s old)',
  ],
  ['evidence does, without any probe', healthy, undefined, true, 'healthy'],
  ['evidence does, with an old probe', healthy, passed(0), true, 'healthy'],
  ['both are said', healthy, passed(now), true, 'healthy, its probe passed in 12 ms'],
  ['a warning is usable', degraded('warning'), undefined, true, 'latency warning'],
  [
    'a probe that failed speaks against a healthy target',
    healthy,
    failed(1),
    false,
    'its probe failed once: refused',
  ],
  ['and says how often', healthy, failed(4), false, 'its probe failed 4 times in a row: refused'],
  ['no probe speaks for a critical target', degraded('critical'), passed(now), false, 'latency critical'],
])('%s', (_what, verdict, probe, vetted, why) => {
  const situation = {
    probes: new Map(probe && [['b', probe]]),
    now,
    freshMs: 35_000,
  } as unknown as Situation;
  expect(vet(situation, 'b', verdict)).toEqual({ vetted, why });
});
