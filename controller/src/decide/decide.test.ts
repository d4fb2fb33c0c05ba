import { type levels, loadPolicy, type SignalName } from '@relaycore/rules';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Assessment, LevelAssessment, Phase, ProbeResult, SignalAssessment, Verdict } from '../types.ts';
import { isChange } from '../types.ts';
import { backoffMs } from './backoff.ts';
import { decide } from './decide.ts';
import type { Situation } from './situation.ts';
import { allTo } from './weights.ts';

/*
 * Not one story but all of them: any phase, with any verdicts and probes. The stories themselves are in test/scenarios.
 */

const targets = ['a', 'b', 'c'] as const;
const now = 10_000_000;
const seed = 2026;
const signals: readonly SignalName[] = ['success', 'latency', 'accuracy'];

const loaded = loadPolicy(
  'models: { a: {}, b: {}, c: {} }\nroutes: { mail: { targets: [a, b, c], driver: { kind: dry-run } } }',
);
const route = loaded.kind === 'ok' ? loaded.policy.routes.mail! : undefined;

const time = fc.integer({ min: 0, max: now });
const level = (name: (typeof levels)[number]) =>
  fc
    .record({
      stands: fc.boolean(),
      firedAt: time,
      recovery: fc.double({ min: -7, max: 20, noNaN: true }),
      recoverySince: time,
      recoveryRise: fc.double({ min: 0, max: 20, noNaN: true }),
    })
    .map(
      (drawn): LevelAssessment => ({
        level: name,
        ...drawn,
        ...(drawn.stands && { standsSince: drawn.firedAt }),
        since: drawn.firedAt,
        rule: 'shiryaev-roberts',
        evidence: 25,
        evidenceThreshold: 24.4,
        counts: { requests: 100, bad: 30 },
        allowedBad: 0.1,
        threshold: 0.9,
        unit: 'success rate',
      }),
    );

const signalAssessment = (signal: SignalName) =>
  fc.record({ warning: level('warning'), critical: level('critical'), absent: fc.boolean() }).map(
    ({ warning, critical, absent }): SignalAssessment => ({
      signal,
      verdict: signalVerdict(signal, warning, critical, absent),
      ...(!absent && { vantage: 'gateway' }),
      levels: { warning, critical },
      requests: 100,
    }),
  );

function signalVerdict(
  signal: SignalName,
  warning: LevelAssessment,
  critical: LevelAssessment,
  absent: boolean,
): Verdict {
  if (absent) return { kind: 'unknown', reason: 'no series since 5 ticks' };
  if (critical.stands) return { kind: 'degraded', level: 'critical', signal, since: critical.firedAt! };
  if (warning.stands) return { kind: 'degraded', level: 'warning', signal, since: warning.firedAt! };
  return { kind: 'healthy' };
}

const assessment = (model: string) =>
  fc.tuple(...signals.map(signalAssessment)).map((signals): Assessment => {
    const order = (verdict: Verdict) =>
      verdict.kind === 'degraded'
        ? verdict.level === 'critical'
          ? 0
          : 1
        : verdict.kind === 'healthy'
          ? 2
          : 3;
    const [worst] = signals.map(({ verdict }) => verdict).toSorted((one, other) => order(one) - order(other));
    return { model, at: now, verdict: worst!, signals };
  });

const probe: fc.Arbitrary<ProbeResult | undefined> = fc.oneof(
  fc.constant(undefined),
  time.map((at): ProbeResult => ({ kind: 'passed', at, durationMs: 10 })),
  time.map((at): ProbeResult => ({ kind: 'failed', at, reason: 'refused', failures: 2, since: at })),
);

const phase: fc.Arbitrary<Phase> = fc
  .record({
    kind: fc.constantFrom('primary' as const, 'failed_over' as const, 'probing' as const, 'ramping' as const),
    to: fc.constantFrom('b', 'c'),
    since: time,
    signal: fc.constantFrom<SignalName | 'manual'>('manual', ...signals),
    step: fc.nat(3),
  })
  .map(({ kind, to, since, signal, step }) => {
    const cause = { signal, reason: 'some cause' };
    if (kind === 'primary') return { kind, since };
    return kind === 'ramping' ? { kind, to, since, cause, step } : { kind, to, since, cause };
  });

const situation: fc.Arbitrary<Situation> = fc
  .record({
    phase,
    assessments: fc.tuple(...targets.map(assessment)),
    probes: fc.tuple(...targets.map(() => probe)),
    backoff: fc.record({ level: fc.nat(2000), returnedAt: time }),
  })
  .map(({ phase, assessments, probes, backoff }) => ({
    route: route!,
    state: { route: 'mail', generation: 3, weights: allTo('a', targets), phase, backoff, updatedAt: 0 },
    assessments: new Map(assessments.map(assessment => [assessment.model, assessment])),
    probes: new Map(targets.flatMap((model, i) => (probes[i] ? [[model, probes[i]] as const] : []))),
    now,
    freshMs: 35_000,
  }));

test('every decision explains itself in numbers, and every change keeps the whole traffic somewhere', () => {
  fc.assert(
    fc.property(situation, situation => {
      const decision = decide(situation);
      expect(decision.words).toMatch(/\d/);
      expect(decision.words).not.toMatch(/NaN|undefined|Infinity/);
      if (!isChange(decision)) return;
      const { weights, phase, backoff } = decision.next;
      expect(Object.keys(weights)).toEqual(targets);
      expect(Object.values(weights).reduce((sum, weight) => sum + weight)).toBe(10_000);
      expect(Math.min(...Object.values(weights))).toBeGreaterThanOrEqual(0);
      expect(phase.since).toBe(now);
      expect(Number.isInteger(backoff.level)).toBe(true);
    }),
    { numRuns: 2000, seed },
  );
});

test('traffic goes to a target with a critical verdict only if it was drained, waited its time and passes its probe', () => {
  fc.assert(
    fc.property(situation, situation => {
      const decision = decide(situation);
      if (decision.kind !== 'failover') return;
      const { state, probes, route, now, freshMs } = situation;
      const { verdict, signals } = situation.assessments.get(decision.to)!;
      expect(decision.next.weights[decision.to]).toBe(10_000);
      if (verdict.kind !== 'degraded' || verdict.level !== 'critical') return;
      const firedAt = Math.max(
        ...signals.map(({ levels }) => (levels.critical.stands ? levels.critical.firedAt! : 0)),
      );
      expect(state.weights[decision.to]).toBe(0);
      expect(probes.get(decision.to)?.kind).toBe('passed');
      expect(probes.get(decision.to)!.at).toBeGreaterThanOrEqual(now - freshMs);
      expect(now - firedAt).toBeGreaterThan(backoffMs(route.failback, state.backoff.level));
    }),
    { numRuns: 5000, seed },
  );
});

test('when as many models were left as may be, no other one is left, except back to the backup that serves', () => {
  fc.assert(
    fc.property(situation, fc.boolean(), (situation, wasLeft) => {
      const decision = decide(situation);
      const left = new Set(['x', wasLeft && isChange(decision) ? decision.from : 'y']);
      const limited = decide({ ...situation, lately: { left, atMost: 2, withinMs: 60_000 } });
      const { phase } = situation.state;
      const isSentBack = 'to' in phase && isChange(decision) && decision.to === phase.to;
      if (decision.kind !== 'failover' || isSentBack || wasLeft) {
        expect(limited).toEqual(decision);
        return;
      }
      expect(limited).toMatchObject({ kind: 'hold', reason: 'too_many_switches' });
      expect(limited.words).toContain(`2 other models were left within 60 s; else ${decision.to} takes over`);
    }),
    { numRuns: 2000, seed },
  );
});

test('a hand on the route holds whatever would be decided, and says it', () => {
  fc.assert(
    fc.property(situation, fc.constantFrom('override', 'freeze'), (situation, kind) => {
      const hand = { target: 'a', actor: 'ada', reason: 'an audit', expiresAt: now + 1 };
      const state = { ...situation.state, [kind]: hand };
      expect(decide({ ...situation, state })).toMatchObject({ kind: 'hold', otherwise: decide(situation) });
      expect(decide({ ...situation, state, now: now + 1 })).toEqual(decide({ ...situation, now: now + 1 }));
    }),
    { numRuns: 500, seed },
  );
});

test('the same situation gives the same decision, and stays as it was', () => {
  fc.assert(
    fc.property(situation, situation => {
      const before = structuredClone(situation);
      const decision = decide(situation);
      expect(decide(situation)).toEqual(decision);
      expect(situation).toEqual(before);
    }),
    { seed },
  );
});

const balance = {
  by: ['latency', 'quality'],
  targets,
  minimumPercent: 5,
  maximumPercent: 80,
  stepPercent: 10,
  everyMs: 600_000,
  minRequests: 50,
} as const;

const balancedSituation = fc
  .record({
    situation,
    parts: fc.tuple(fc.nat(9), fc.nat(9), fc.integer({ min: 1, max: 9 })),
    areGood: fc.tuple(...targets.map(() => fc.integer({ min: 0, max: 3 }))),
    latencies: fc.tuple(...targets.map(() => fc.option(fc.double({ min: 0.001, max: 60, noNaN: true })))),
  })
  .map(({ situation, parts, areGood, latencies }): Situation => {
    const total = parts[0] + parts[1] + parts[2];
    const [a, b] = parts.map(part => Math.floor((part / total) * 10_000));
    const { since } = situation.state.phase;
    return {
      ...situation,
      route: { ...route!, balance },
      assessments: new Map(
        targets.map((model, i) => {
          const drawn = situation.assessments.get(model)!;
          return [model, areGood[i]! > 0 ? allGood(drawn) : drawn];
        }),
      ),
      state: {
        ...situation.state,
        weights: { a: a!, b: b!, c: 10_000 - a! - b! },
        phase: { kind: 'balanced', since },
      },
      latencies: {
        seconds: new Map(
          targets.flatMap((model, i) => (latencies[i] ? [[model, latencies[i]] as const] : [])),
        ),
      },
    };
  });

function allGood(drawn: Assessment): Assessment {
  const verdict = { kind: 'healthy' } as const;
  const signals = drawn.signals.map((signal): SignalAssessment => {
    const { warning, critical } = signal.levels;
    const levels = { warning: { ...warning, stands: false }, critical: { ...critical, stands: false } };
    return { ...signal, verdict, vantage: 'gateway', levels };
  });
  return { ...drawn, verdict, signals };
}

test('balancing gives nobody more against a verdict, and no share moves by more than a step', () => {
  let steps = 0;
  fc.assert(
    fc.property(balancedSituation, situation => {
      const decision = decide(situation);
      expect(decision.words).toMatch(/\d/);
      expect(decision.words).not.toMatch(/NaN|undefined|Infinity/);
      if (!isChange(decision)) return;
      const before = situation.state.weights;
      const after = decision.next.weights;
      expect(Object.keys(after)).toEqual(targets);
      expect(Object.values(after).reduce((sum, weight) => sum + weight)).toBe(10_000);
      expect(Math.min(...Object.values(after))).toBeGreaterThanOrEqual(0);
      if (decision.kind === 'failover') expect(after[decision.from]).toBe(0);
      if (decision.kind !== 'balance') return;
      steps += 1;
      expect(now - situation.state.phase.since).toBeGreaterThanOrEqual(balance.everyMs);
      for (const model of targets) {
        expect(Math.abs(after[model]! - before[model]!)).toBeLessThanOrEqual(1000);
        const isHealthy = situation.assessments.get(model)!.verdict.kind === 'healthy';
        if (!isHealthy && after[model]! > before[model]!) expect(after[model]).toBeLessThanOrEqual(500);
      }
    }),
    { numRuns: 5000, seed },
  );
  expect(steps).toBeGreaterThan(500);
});
