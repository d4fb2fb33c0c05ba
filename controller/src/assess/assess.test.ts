import { loadPolicy, type Policy } from '@relaycore/rules';
import { describe, expect, test } from 'vitest';
import type { Assessment, Observation, Reading, SignalReadings } from '../types.ts';
import { assess, newModelState } from './assess.ts';

const tickMs = 5000;
const policy = policyOf('models: { spam-v1: {} }');

describe('a verdict on the whole model', () => {
  test('unknown while too few requests were seen, then healthy', () => {
    const model = modelUnder(policy);
    expect(model.tick({ success: counts(20, 0), latency: counts(20, 0) }).verdict).toEqual({
      kind: 'unknown',
      reason: '20 of 50 requests seen so far; no scores',
    });
    expect(model.tick({ success: counts(30, 0), latency: counts(30, 0) }).verdict).toEqual({
      kind: 'healthy',
    });
  });

  test('absent is unknown with its reason, and healthy again with the first reading', () => {
    const model = modelUnder(policy);
    model.ticks(20, { success: counts(50, 0) });
    const unseen = model.tick({});
    expect(unseen.verdict).toMatchObject({ kind: 'unknown' });
    expect(signal(unseen, 'success')).toMatchObject({ verdict: { kind: 'unknown', reason: 'no success' } });
    expect(signal(unseen, 'success').vantage).toBeUndefined();
    expect(model.tick({ success: counts(50, 0) }).verdict).toEqual({ kind: 'healthy' });
  });

  test('critical comes before warning, warning before healthy', () => {
    const model = modelUnder(policy);
    model.ticks(100, { success: counts(50, 0), latency: counts(50, 5) });
    model.ticks(20, { success: counts(50, 25), latency: counts(50, 5) });
    expect(model.last().verdict).toMatchObject({ kind: 'degraded', level: 'critical', signal: 'success' });
    expect(signal(model.last(), 'latency').verdict).toMatchObject({ level: 'critical' });

    const milder = modelUnder(policy);
    milder.ticks(500, { success: counts(50, 4), latency: counts(50, 0) });
    expect(milder.last().verdict).toMatchObject({ kind: 'degraded', level: 'warning', signal: 'success' });
    expect(signal(milder.last(), 'latency').verdict).toEqual({ kind: 'healthy' });
  });

  test('a standing critical that can no longer be seen makes the model unknown, not healthy', () => {
    const model = modelUnder(policy);
    model.ticks(100, { success: counts(50, 0), accuracy: counts(50, 45) });
    expect(model.last().verdict).toMatchObject({ kind: 'degraded', signal: 'accuracy' });
    expect(model.tick({ success: counts(50, 0) }).verdict).toEqual({ kind: 'unknown', reason: 'no scores' });
    expect(model.tick({ success: counts(50, 0), accuracy: counts(0, 0) }).verdict).toMatchObject({
      kind: 'degraded',
      signal: 'accuracy',
    });
  });

  test('idle ticks leave evidence, recovery and verdict as they are', () => {
    const model = modelUnder(policy);
    model.ticks(20, { success: counts(50, 0) });
    model.ticks(2, { success: counts(0, 50) });
    const before = signal(model.last(), 'success').levels.critical;
    expect(before.evidence).toBeGreaterThan(0);
    model.ticks(500, { success: counts(0, 0) });
    const { evidence, recovery } = signal(model.last(), 'success').levels.critical;
    expect({ evidence, recovery }).toEqual({ evidence: before.evidence, recovery: before.recovery });
  });
});

describe('an outage at ten requests a second', () => {
  test('is critical within 20 s', () => {
    const model = modelUnder(policy);
    model.ticks(120, { success: counts(50, 0) });
    const begun = model.now();
    const { verdict } = model.until('degraded', { success: counts(0, 50) });
    expect(verdict).toMatchObject({ level: 'critical', signal: 'success', since: model.now() });
    expect(model.now() - begun).toBeLessThanOrEqual(20_000);
  });

  test('of a model without a past fires by the named rule', () => {
    const model = modelUnder(policy);
    model.tick({ success: counts(0, 4) });
    model.tick({ success: counts(0, 4) });
    const { levels } = signal(model.tick({ success: counts(0, 4) }), 'success');
    expect(levels.critical).toMatchObject({
      stands: true,
      rule: 'hard-down',
      counts: { requests: 12, bad: 12 },
    });
  });

  test('does not, when the rule is switched off', () => {
    const model = modelUnder(
      policyOf('models: { spam-v1: {} }\ndetection: { hard_down: { enabled: false } }'),
    );
    model.ticks(4, { success: counts(0, 4) });
    expect(model.last().verdict.kind).toBe('unknown');
  });

  test('is a rule for success alone: slow answers in a row are no outage', () => {
    const model = modelUnder(policy);
    model.ticks(4, { latency: counts(0, 4) });
    expect(model.last().verdict.kind).toBe('unknown');
  });
});

describe('the minimum of requests', () => {
  test('keeps a verdict back until it is reached, within six hours', () => {
    const model = modelUnder(
      policyOf('models: { spam-v1: {} }\ndetection: { hard_down: { enabled: false } }'),
    );
    model.ticks(49, { success: counts(0, 1) });
    expect(model.last().verdict).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('49 of 50'),
    });
    expect(model.tick({ success: counts(0, 1) }).verdict).toMatchObject({
      kind: 'degraded',
      level: 'critical',
    });
  });
});

describe('a route tries the model again', () => {
  test('evidence and recovery count from then on; the verdict stands', () => {
    const model = modelUnder(policy);
    model.ticks(20, { success: counts(50, 0) });
    model.until('degraded', { success: counts(0, 50) });
    const firedAt = signal(model.last(), 'success').levels.critical.firedAt!;
    model.ticks(1, { success: counts(50, 0) });
    const provingSince = model.now();
    const { critical } = signal(model.tick({ success: counts(0, 0) }, provingSince), 'success').levels;
    expect(critical).toMatchObject({ stands: true, firedAt, recovery: 0, recoverySince: provingSince });
  });

  test('a second tick of the same try does not start again', () => {
    const model = modelUnder(policy);
    model.ticks(20, { success: counts(50, 0) });
    const provingSince = model.now();
    model.tick({ success: counts(50, 0) }, provingSince);
    const once = signal(model.last(), 'success').levels.critical.recovery;
    const twice = signal(model.tick({ success: counts(50, 0) }, provingSince), 'success').levels.critical
      .recovery;
    expect(twice).toBeGreaterThan(once);
  });

  test('failures before it do not count towards ten in a row', () => {
    const model = modelUnder(policy);
    model.ticks(3, { success: counts(0, 4) });
    const firedAt = model.now();
    const provingSince = model.now();
    model.tick({ success: counts(0, 4) }, provingSince);
    model.tick({ success: counts(0, 4) }, provingSince);
    expect(signal(model.last(), 'success').levels.critical.firedAt).toBe(firedAt);
    model.tick({ success: counts(0, 4) }, provingSince);
    expect(signal(model.last(), 'success').levels.critical.firedAt).toBe(model.now());
  });

  test('recovery from critical ends the warning of the same incident', () => {
    const model = modelUnder(policy);
    model.ticks(20, { success: counts(50, 0) });
    model.ticks(40, { success: counts(0, 50) });
    expect(signal(model.last(), 'success').levels.warning.stands).toBe(true);
    expect(model.until('healthy', { success: counts(50, 0) }).verdict).toEqual({ kind: 'healthy' });
    const { warning, critical } = signal(model.last(), 'success').levels;
    expect([warning.stands, critical.stands]).toEqual([false, false]);
  });
});

test('evidence gathered under other thresholds starts from nothing', () => {
  const state = newModelState(0);
  const tickUnder = (text: string, at: number) => {
    const policy = policyOf(text);
    const none = absent('none');
    const readings = { success: counts(40, 10), latency: none, accuracy: none, feedback: none };
    return assess(state, { model: 'm', signals: policy.defaults, policy, readings, at });
  };
  const lenient = 'model_performance: { success_rate: { warning_threshold: 0.7, critical_threshold: 0.6 } }';
  for (let tick = 1; tick <= 5; tick++) tickUnder('{}', tick * tickMs);
  expect(tickUnder('{}', 6 * tickMs).signals[0]!.levels.critical.evidence).toBeGreaterThan(5);
  const { evidence, stands } = tickUnder(lenient, 7 * tickMs).signals[0]!.levels.critical;
  expect({ evidence, stands }).toEqual({ evidence: 0, stands: false });
});

test('what is counted while nothing stands is the evaluation window', () => {
  const model = modelUnder(policy);
  model.ticks(720, { success: counts(45, 5) });
  model.ticks(120, { success: counts(49, 1) });
  const { requests, levels } = signal(model.last(), 'success');
  expect(requests).toBeGreaterThanOrEqual(6000);
  expect(requests).toBeLessThanOrEqual(7200);
  expect(levels.critical.counts.requests).toBe(requests);
});

test('an assessment survives JSON, whatever was counted', () => {
  const model = modelUnder(policy);
  for (const reading of [
    counts(0, 0),
    counts(Number.MAX_SAFE_INTEGER, 0),
    counts(0, Number.MAX_SAFE_INTEGER),
  ]) {
    const assessment = model.tick({ success: reading, latency: reading, accuracy: reading });
    const { signals, ...rest } = assessment;
    expect(JSON.parse(JSON.stringify(assessment))).toEqual({ ...rest, signals });
  }
});

/** One model and its memory, tick by tick. */
function modelUnder(policy: Policy) {
  let now = 0;
  const state = newModelState(now);
  let assessment: Assessment | undefined;
  function tick(readings: Partial<SignalReadings>, provingSince?: number): Assessment {
    now += tickMs;
    assessment = assess(state, {
      model: 'spam-v1',
      signals: policy.models['spam-v1']!.signals,
      policy,
      readings: {
        success: absent('no success'),
        latency: absent('no success'),
        accuracy: absent('no scores'),
        feedback: absent('no scores'),
        ...readings,
      },
      at: now,
      ...(provingSince !== undefined && { provingSince }),
    });
    return assessment;
  }
  return {
    tick,
    now: () => now,
    last: () => assessment!,
    ticks(count: number, readings: Partial<SignalReadings>) {
      for (let i = 0; i < count; i++) tick(readings);
    },
    until(kind: Assessment['verdict']['kind'], readings: Partial<SignalReadings>): Assessment {
      for (let i = 0; i < 1000; i++) if (tick(readings).verdict.kind === kind) return assessment!;
      throw new Error(`no ${kind} within 1000 ticks: ${JSON.stringify(assessment!.verdict)}`);
    },
  };
}

const signal = (assessment: Assessment, name: string) =>
  assessment.signals.find(({ signal }) => signal === name)!;
const absent = (reason: string): Reading => ({ kind: 'absent', reason });

function counts(good: number, bad: number): Reading {
  const observations: Observation[] = [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);
  return { kind: 'counts', vantage: 'server', levels: { warning: observations, critical: observations } };
}

function policyOf(text: string): Policy {
  const loaded = loadPolicy(text);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return loaded.policy;
}
