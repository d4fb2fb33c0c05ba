import { expect, test } from 'vitest';
import { policyOf } from '../../test/support/scripted-reader.ts';
import { planRoute } from './plan.ts';
import type { Assessment, LevelAssessment, ProbeResult, Readings, RouteState } from './types.ts';

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

/** Of a tick in which nothing could be read: what stood still stands, and nothing is known. */
function unread(model: string, stands: boolean): Assessment {
  const verdict = { kind: 'unknown', reason: 'Prometheus did not answer' } as const;
  const levels = { warning: level(false, 'warning'), critical: level(stands, 'critical') };
  return { model, at: now, verdict, signals: [{ signal: 'success', verdict, levels, requests: 100 }] };
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

function planWith(problem: string | undefined) {
  const readings: Readings = {
    at: now,
    models: new Map(),
    queries: {},
    resources: new Map(),
    ...(problem !== undefined && { problem }),
  };
  const assessments = new Map(targets.map(model => [model, unread(model, model === 'a')]));
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
  const { decision, change } = planWith('Prometheus did not answer');
  expect(decision).toMatchObject({ kind: 'hold', reason: 'unknown' });
  expect(decision.words).toContain('Prometheus did not answer; else a: success rate 0.4000');
  expect(change).toBeUndefined();
});

test('it moves the route once Prometheus answers, though it does not see the canary', () => {
  expect(planWith(undefined).decision).toMatchObject({
    kind: 'failover',
    to: 'b',
    reason: 'canary_degraded',
  });
});
