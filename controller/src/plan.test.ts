import { expect, test } from 'vitest';
import { policyOf } from '../../test/support/scripted-reader.ts';
import { planRoute } from './plan.ts';
import type { Assessment, LevelAssessment, ProbeResult, Readings, RouteState, Verdict } from './types.ts';

const now = Date.parse('2026-11-02T08:10:00Z');
const policy = policyOf('models: { a: {}, b: {} }\nroutes: { mail: { targets: [a, b] } }');
const targets = ['a', 'b'];

const level = (stands: boolean, name: LevelAssessment['level']): LevelAssessment => ({
  level: name,
  stands,
  ...(stands && { standsSince: now - 5_000, firedAt: now - 5_000, since: now - 15_000 }),
  rule: 'shiryaev-roberts',
  evidence: 25,
  evidenceThreshold: 24,
  recovery: 0,
  recoveryRise: 0,
  recoverySince: now - 5_000,
  counts: { requests: 100, bad: 60 },
  allowedBad: 0.1,
  threshold: 0.9,
  unit: 'success rate',
});

/** What stood still stands while a model is not seen, but nothing is known of it. */
function assessed(model: string, stands: boolean, isSeen: boolean): Assessment {
  const verdict = verdictOf(stands, isSeen);
  const levels = { warning: level(false, 'warning'), critical: level(stands, 'critical') };
  const seen = { signal: 'success', verdict, levels, requests: 100 } as const;
  return { model, at: now, verdict, signals: [{ ...seen, ...(isSeen && { vantage: 'gateway' }) }] };
}

function verdictOf(stands: boolean, isSeen: boolean): Verdict {
  if (!isSeen) return { kind: 'unknown', reason: 'no target was scraped lately' };
  return stands
    ? { kind: 'degraded', level: 'critical', signal: 'success', since: now - 5_000 }
    : { kind: 'healthy' };
}

/** The canary has just gone bad, and the round that noticed could not commit it. */
const canary: RouteState = {
  route: 'mail',
  generation: 2,
  weights: { a: 500, b: 9_500 },
  phase: {
    kind: 'probing',
    to: 'b',
    since: now - 60_000,
    cause: { signal: 'success', reason: 'a failed' },
  },
  backoff: { level: 0 },
  updatedAt: now - 60_000,
};

function planWith({ problem, isSeen = true }: { problem?: string; isSeen?: boolean } = {}) {
  const readings: Readings = {
    at: now,
    models: new Map(),
    queries: {},
    resources: new Map(),
    ...(problem !== undefined && { problem }),
  };
  const assessments = new Map(
    targets.map(model => [model, assessed(model, model === 'a', isSeen || model === 'b')]),
  );
  const passed = (model: string): [string, ProbeResult] => [
    model,
    { kind: 'passed', at: now - 5_000, durationMs: 10 },
  ];
  return planRoute(
    policy,
    { readings, assessments, left: new Set() },
    {
      route: policy.routes.mail!,
      state: canary,
      probes: new Map(targets.map(passed)),
      at: now,
      allOrNothing: false,
    },
  );
}

test('what stood before moves nothing in a round in which nothing could be read', () => {
  const { decision, change } = planWith({ problem: 'Prometheus did not answer' });
  expect(decision).toMatchObject({ kind: 'hold', reason: 'unknown' });
  expect(decision.words).toContain('Prometheus did not answer; else a: success rate 0.4000');
  expect(change).toBeUndefined();
});

test('it moves the route once Prometheus answers', () => {
  expect(planWith().decision).toMatchObject({ kind: 'failover', to: 'b', reason: 'canary_degraded' });
});

test('unless Prometheus does not see the canary, of which nothing is known then', () => {
  expect(planWith({ isSeen: false }).decision).toMatchObject({ kind: 'hold', reason: 'canary_time' });
});
