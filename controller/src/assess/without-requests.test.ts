import { loadPolicy } from '@relaycore/rules';
import { describe, expect, test } from 'vitest';
import { decide } from '../decide/decide.ts';
import { allTo } from '../decide/weights.ts';
import type { ProbeResult, Reading, RouteState, SignalReadings, Weights } from '../types.ts';
import { assessModels } from './models.ts';
import { judgeWithoutRequests } from './without-requests.ts';

const loaded = loadPolicy(
  'models: { chat-a: {}, chat-b: {} }\nroutes: { chat: { targets: [chat-a, chat-b] } }',
);
if (loaded.kind === 'refused') throw new Error('the policy of this test is refused');
const { policy } = loaded;
const rule = policy.detection.hardDown;

const absent: Reading = { kind: 'absent', reason: 'no series of this model' };
const good = [{ badness: 0, count: 100 }];
const counts: Reading = { kind: 'counts', vantage: 'server', levels: { warning: good, critical: good } };
const unseen: SignalReadings = { success: absent, latency: absent, accuracy: absent, feedback: absent };

const at = 1_000_000;
const failed = (failures: number, forMs: number): ProbeResult => ({
  kind: 'failed',
  at,
  reason: 'connect ECONNREFUSED',
  failures,
  since: at - forMs,
});
const passed: ProbeResult = { kind: 'passed', at, durationMs: 3 };

/** chat-a with these readings and this probe; chat-b is well. */
function assessed(readings: SignalReadings, probe: ProbeResult | undefined) {
  const models = new Map([
    ['chat-a', readings],
    ['chat-b', { ...unseen, success: counts }],
  ]);
  const probes = new Map<string, ProbeResult>([['chat-b', passed]]);
  if (probe) probes.set('chat-a', probe);
  const assessments = judgeWithoutRequests(assessModels(policy, new Map(), { models, at }, new Map()), {
    probes,
    routes: new Map(),
    at,
    rule,
  });
  return { assessments, probes };
}

test.each([
  {
    what: 'nothing is seen and three probes failed over ten seconds',
    probe: failed(3, 10_000),
    level: 'critical',
  },
  { what: 'two probes are too few', probe: failed(2, 60_000), level: undefined },
  { what: 'nine seconds are too short', probe: failed(9, 9_999), level: undefined },
  { what: 'its probe passes', probe: passed, level: undefined },
  { what: 'it has no probe', probe: undefined, level: undefined },
])('$what', ({ probe, level }) => {
  const { verdict } = assessed(unseen, probe).assessments.get('chat-a')!;
  expect(verdict.kind === 'degraded' ? verdict.level : undefined).toBe(level);
});

test('a model that is seen is judged by what is seen, whatever its probes say', () => {
  const { assessments } = assessed({ ...unseen, success: counts }, failed(9, 60_000));
  expect(assessments.get('chat-a')!.verdict.kind).toBe('healthy');
});

test('counters of others that outlive the server do not count as a sight of it', () => {
  const elsewhere = { ...counts, vantage: 'elsewhere' } as const;
  const { assessments } = assessed({ ...unseen, feedback: elsewhere }, failed(3, 10_000));
  expect(assessments.get('chat-a')!.verdict).toMatchObject({ kind: 'degraded', level: 'critical' });
});

test('the route leaves a dead server that nobody can report on', () => {
  const { assessments, probes } = assessed(unseen, failed(4, 12_000));
  const decision = decide({
    route: policy.routes.chat!,
    state: {
      route: 'chat',
      generation: 0,
      weights: allTo('chat-a', ['chat-a', 'chat-b']),
      phase: { kind: 'primary', since: 0 },
      backoff: { level: 0 },
      updatedAt: 0,
    },
    assessments,
    probes,
    now: at,
    freshMs: 35_000,
  });
  expect(decision).toMatchObject({ kind: 'failover', from: 'chat-a', to: 'chat-b', signal: 'success' });
  expect(decision.words).toContain('success rate 0.0000 below 0.9 over 4 probes (all failed, and no target');
});

describe('a model that always has requests and has none any more', () => {
  const silence = { since: at - 100_000, believedAfterMs: 60_000 };
  const silent = (probe: ProbeResult | undefined, weights: Weights, updatedAt = 0) => {
    const { model, verdict, signals } = assessed({ ...unseen, success: counts }, undefined).assessments.get(
      'chat-a',
    )!;
    const route: RouteState = {
      route: 'chat',
      generation: 1,
      weights,
      phase: { kind: 'primary', since: 0 },
      backoff: { level: 0 },
      updatedAt,
    };
    return judgeWithoutRequests(new Map([[model, { model, at, verdict, signals, silence }]]), {
      probes: new Map(probe ? [[model, probe]] : []),
      routes: new Map([['chat', route]]),
      at,
      rule,
    }).get(model)!;
  };
  const all = { 'chat-a': 10_000, 'chat-b': 0 };
  const none = { 'chat-a': 0, 'chat-b': 10_000 };

  test('is silent, which tells people and moves nothing', () => {
    const assessment = silent(passed, all);
    expect(assessment.silence).toEqual(silence);
    expect(assessment.verdict).not.toMatchObject({ kind: 'degraded' });
  });

  test('is down when its probes fail as well', () => {
    const { verdict, signals } = silent(failed(3, 10_000), all);
    expect(verdict).toMatchObject({ kind: 'degraded', level: 'critical', signal: 'success' });
    expect(signals[0]!.levels.critical).toMatchObject({ stands: true, rule: 'unreachable' });
  });

  test('is not silent but drained where the route sends it nothing, or has only begun to', () => {
    expect(silent(undefined, none).silence).toBeUndefined();
    expect(silent(undefined, all, at - 30_000).silence).toBeUndefined();
    expect(silent(failed(3, 10_000), none).verdict).not.toMatchObject({ kind: 'degraded' });
  });
});
