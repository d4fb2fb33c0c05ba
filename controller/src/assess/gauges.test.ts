import { describe, expect, test } from 'vitest';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import type { Assessment, Verdict } from '../types.ts';
import { type GaugeStates, withGauges } from './gauges.ts';

const policy = policyOf(`
detection: { max_gap_seconds: 60 }
resources:
  memory: { value: m, warning_threshold: 80, critical_threshold: 100, clear_below: 70, for_seconds: 20 }
  heat: { value: h, warning_threshold: 90, for_seconds: 10 }
`);
const tickMs = 5000;
const healthy: Verdict = { kind: 'healthy' };

/** One model, tick by tick: its values, or undefined where none is seen, and what else is known of it. */
function watch() {
  let states: GaugeStates = new Map();
  let at = 0;
  return (
    values: Readonly<Record<string, number | undefined>>,
    verdict = healthy,
    failures = new Map(),
  ): Assessment => {
    at += tickMs;
    const seen = Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, { value, instance: 'a:1' }] as const],
    );
    const next = withGauges(new Map([['chat', { model: 'chat', at, verdict, signals: [] }]]), states, {
      policy,
      readings: { at, resources: new Map([['chat', new Map(seen)]]), failures },
    });
    states = next.states;
    return next.assessments.get('chat')!;
  };
}

/** The verdicts after each of these values of memory, in short. */
function verdictsOf(values: readonly (number | undefined)[], see = watch()): string[] {
  return values.map(memory => {
    const { verdict } = see({ memory });
    return verdict.kind === 'degraded' ? verdict.level : verdict.kind;
  });
}

describe('a threshold', () => {
  test('stands once the value was above it for the whole time', () => {
    expect(verdictsOf([85, 85, 85, 85, 85])).toEqual(['healthy', 'healthy', 'healthy', 'healthy', 'warning']);
  });

  test('is not reached by a value that stands on it, nor with a break', () => {
    expect(new Set(verdictsOf([80, 80, 80, 80, 80, 80]))).toEqual(new Set(['healthy']));
    expect(new Set(verdictsOf([85, 85, 85, 79, 85, 85, 85, 85]))).toEqual(new Set(['healthy']));
  });

  test('critical comes before warning', () => {
    expect(verdictsOf([120, 120, 120, 120, 120]).at(-1)).toBe('critical');
    expect(verdictsOf([85, 120, 120, 120, 120, 120])).toEqual([
      'healthy',
      'healthy',
      'healthy',
      'healthy',
      'warning',
      'critical',
    ]);
  });

  test('ends once the value was below its end for the whole time, not between the two', () => {
    const see = watch();
    verdictsOf([120, 120, 120, 120, 120], see);
    expect(new Set(verdictsOf([75, 75, 75, 75, 75, 75], see))).toEqual(new Set(['critical']));
    expect(verdictsOf([69, 69, 72, 69, 69, 69, 69, 69], see)).toEqual([
      ...Array.from({ length: 7 }, () => 'critical'),
      'healthy',
    ]);
  });

  test('it has no critical level unless the policy gives one', () => {
    const see = watch();
    let assessment: Assessment | undefined;
    for (let i = 0; i < 10; i++) assessment = see({ heat: 1e9 });
    expect(assessment!.verdict).toMatchObject({ kind: 'degraded', level: 'warning', signal: 'heat' });
    expect(assessment!.signals[0]!.levels.critical).toMatchObject({ stands: false, threshold: Infinity });
  });
});

describe('a value that is missing', () => {
  test('from the start is no resource of the model', () => {
    expect(watch()({}).signals).toEqual([]);
  });

  test('now is unknown and changes nothing: neither a run nor a verdict', () => {
    const see = watch();
    expect(verdictsOf([120, 120, undefined, undefined, 120], see)).toEqual([
      'healthy',
      'healthy',
      'healthy',
      'healthy',
      'critical',
    ]);
    const unseen = see({});
    expect(unseen.signals[0]).toMatchObject({
      verdict: { kind: 'unknown', reason: 'no value of memory for this model' },
      levels: { critical: { stands: true } },
    });
    expect(unseen.verdict).toEqual({ kind: 'unknown', reason: 'no value of memory for this model' });
    expect(verdictsOf([120], see)).toEqual(['critical']);
  });

  test('has the reason of the query that failed', () => {
    const see = watch();
    see({ memory: 10 });
    const { signals, verdict } = see(
      {},
      healthy,
      new Map([['memory', 'memory could not be read: too many samples']]),
    );
    expect(signals[0]!.verdict).toEqual({
      kind: 'unknown',
      reason: 'memory could not be read: too many samples',
    });
    expect(verdict).toEqual(healthy);
  });

  test('for longer than the longest gap ends the run: what happened meanwhile is not known', () => {
    const gap = Array.from({ length: 13 }, () => undefined);
    expect(verdictsOf([120, ...gap, 120, 120, 120, 120, 120]).slice(-5)).toEqual([
      'healthy',
      'healthy',
      'healthy',
      'healthy',
      'critical',
    ]);
  });
});

describe('the verdict on the model', () => {
  const short = (level: 'warning' | 'critical') => ({ memory: level === 'critical' ? 120 : 85 });
  const after = (values: Record<string, number>, verdict: Verdict) => {
    const see = watch();
    for (let i = 0; i < 4; i++) see(values, verdict);
    return see(values, verdict).verdict;
  };
  const unknown: Verdict = { kind: 'unknown', reason: '3 of 50 requests seen so far' };
  const degraded = (level: 'warning' | 'critical'): Verdict => ({
    kind: 'degraded',
    level,
    signal: 'success',
    since: 1,
  });

  test.each<[string, Record<string, number>, Verdict, object]>([
    [
      'a short resource warns of a healthy model',
      short('warning'),
      healthy,
      { level: 'warning', signal: 'memory' },
    ],
    ['it does not make an unknown one known', short('warning'), unknown, unknown],
    ['enough of it does not either', { memory: 1 }, unknown, unknown],
    ['a signal’s warning stays', short('warning'), degraded('warning'), { signal: 'success' }],
    [
      'critical goes before a warning',
      short('critical'),
      degraded('warning'),
      { level: 'critical', signal: 'memory' },
    ],
    ['and before unknown', short('critical'), unknown, { level: 'critical', signal: 'memory' }],
    ['a signal’s critical stays', short('critical'), degraded('critical'), { signal: 'success' }],
  ])('%s', (_, values, verdict, expected) => {
    expect(after(values, verdict)).toMatchObject(expected);
  });
});

test('the numbers behind it', () => {
  const see = watch();
  for (let i = 0; i < 6; i++) see({ memory: 120 });
  const [memory] = see({ memory: 130 }).signals;
  expect(memory).toMatchObject({
    signal: 'memory',
    resource: { value: 130, instance: 'a:1', seenAt: 7 * tickMs, forMs: 20_000, clearBelow: 70 },
    levels: {
      critical: {
        rule: 'resource',
        since: tickMs,
        standsSince: 5 * tickMs,
        firedAt: 7 * tickMs,
        threshold: 100,
        unit: 'value',
      },
    },
  });
  expect(memory).not.toHaveProperty('vantage');
});
