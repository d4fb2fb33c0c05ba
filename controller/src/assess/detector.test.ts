import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Observation } from '../types.ts';
import {
  accumulate,
  type DetectorSettings,
  detectorParameters,
  type Evidence,
  logMean,
  noEvidence,
  strength,
} from './detector.ts';

const settings: DetectorSettings = {
  allowedBad: 0.05,
  kind: 'rate',
  yearsPerFalseAlarm: 1000,
  streams: 6,
  tickMs: 5000,
  agreementMs: { mild: 60_000, severe: 15_000 },
};
const parameters = detectorParameters(settings);
const threshold = (changed: Partial<DetectorSettings>) =>
  detectorParameters({ ...settings, ...changed }).threshold;

describe('the threshold follows from the false-alarm budget', () => {
  test.each([
    ['one a year', { yearsPerFalseAlarm: 1, streams: 1 }, 15.66],
    ['one in 1000 years', { yearsPerFalseAlarm: 1000, streams: 1 }, 22.57],
    ['six streams share it', { yearsPerFalseAlarm: 1000, streams: 6 }, 22.57 + 1.79],
    [
      'ticks of one second look five times as often',
      { yearsPerFalseAlarm: 1, streams: 1, tickMs: 1000 },
      17.27,
    ],
  ])('%s', (_what, changed, expected) => {
    expect(threshold(changed)).toBeCloseTo(expected, 2);
  });
});

describe('the alternatives', () => {
  const rates = (allowedBad: number) =>
    detectorParameters({ ...settings, allowedBad }).alternatives.map(
      ({ theta }) => allowedBad + theta * (1 - allowedBad),
    );

  test('are multiples of what is allowed, as far as they fit below certainty', () => {
    expect(rates(0.05).map(rounded)).toEqual([0.0575, 0.07, 0.1, 0.175, 0.35, 0.9]);
    expect(rates(0.1).map(rounded)).toEqual([0.115, 0.14, 0.2, 0.35, 0.7]);
  });

  test('are never none, however much is allowed', () => {
    for (const allowedBad of [0.5, 0.84, 0.85, 0.99])
      expect(detectorParameters({ ...settings, allowedBad }).alternatives.length).toBeGreaterThan(0);
  });

  test('mild ones need a minute, severe ones fifteen seconds', () => {
    const ticks = parameters.alternatives.map(({ cap }) => Math.round(parameters.threshold / cap));
    expect(ticks).toEqual([12, 12, 12, 12, 3, 3]);
  });

  test('an agreement shorter than a tick is one tick', () => {
    const slow = detectorParameters({ ...settings, tickMs: 120_000 });
    expect(slow.alternatives.every(({ cap }) => cap === slow.threshold)).toBe(true);
  });
});

describe('the increment of one tick', () => {
  test('is the log likelihood ratio, computed by hand', () => {
    const { logR } = accumulate(noEvidence(parameters), requests(49, 1), parameters);
    const expected = [0.0575, 0.07, 0.1, 0.175, 0.35, 0.9].map(
      q => Math.log(q / 0.05) + 49 * Math.log((1 - q) / 0.95),
    );
    expect(logR.map(rounded)).toEqual(expected.map(rounded));
    expect(rounded(logR[2]!)).toBe(rounded(Math.log(2) + 49 * Math.log(0.9 / 0.95)));
  });

  test('comes on top of 1 + R', () => {
    const one = accumulate(noEvidence(parameters), requests(0, 1), parameters);
    const two = accumulate(one, requests(0, 1), parameters);
    expect(rounded(one.logR[2]!)).toBe(rounded(Math.log(2)));
    expect(rounded(two.logR[2]!)).toBe(rounded(Math.log((1 + 2) * 2)));
  });

  test('is capped, so that a thousand failures in one tick fire nothing', () => {
    const evidence = accumulate(noEvidence(parameters), requests(0, 1000), parameters);
    expect(evidence.logR).toEqual(parameters.alternatives.map(({ cap }) => cap));
    expect(strength(evidence)).toBeLessThan(parameters.threshold);
  });

  test('a score counts by how bad it is', () => {
    const scores = detectorParameters({ ...settings, kind: 'score', allowedBad: 0.25 });
    const { logR } = accumulate(noEvidence(scores), [{ badness: 0.4, count: 3 }], scores);
    expect(rounded(logR[3]!)).toBe(rounded(3 * Math.log(1 + (0.35 * (0.4 - 0.25)) / 0.25)));
  });

  test('a tick without requests leaves everything as it is, for ever', () => {
    const some = accumulate(noEvidence(parameters), requests(10, 3), parameters);
    let evidence = some;
    for (let tick = 0; tick < 1000; tick++) evidence = accumulate(evidence, [], parameters);
    expect(evidence).toEqual(some);
  });
});

describe('short ticks', () => {
  const everySecond = detectorParameters({ ...settings, tickMs: 1000 });
  const ticksToFire = (parameters: typeof everySecond, observations: readonly Observation[]) => {
    let evidence = noEvidence(parameters);
    for (let tick = 1; ; tick++) {
      evidence = accumulate(evidence, observations, parameters);
      if (strength(evidence) >= parameters.threshold) return tick;
    }
  };

  test('the cap holds over five seconds: a burst of one second counts as much as an even five', () => {
    const burst = accumulate(noEvidence(everySecond), requests(0, 1000), everySecond);
    expect(burst.logR[5]!).toBeCloseTo((everySecond.threshold / 15) * 5, 10);
    const after = accumulate(burst, requests(0, 1000), everySecond);
    expect(after.logR[5]! - burst.logR[5]!).toBeCloseTo(everySecond.threshold / 15, 2);
  });

  test('an outage is found after ten seconds or more, not sooner', () => {
    expect(ticksToFire(everySecond, requests(0, 10))).toBeGreaterThanOrEqual(10);
    expect(ticksToFire(everySecond, requests(0, 10))).toBeLessThanOrEqual(13);
  });
});

describe('whatever arrives', () => {
  const observation = fc.record({
    badness: fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    count: fc.oneof(fc.nat(1000), fc.maxSafeNat(), fc.double({ min: 0, max: 1e15, noNaN: true })),
  });
  const ticks = fc.array(fc.array(observation, { maxLength: 4 }), { maxLength: 30 });
  const any = fc.record({
    allowedBad: fc.double({ min: 0.001, max: 0.999, noNaN: true }),
    kind: fc.constantFrom('rate' as const, 'score' as const),
    tickMs: fc.integer({ min: 200, max: 300_000 }),
  });

  test('nothing is ever NaN, and more than the cap of a block never counts', () => {
    fc.assert(
      fc.property(any, ticks, (changed, observed) => {
        const parameters = detectorParameters({ ...settings, ...changed });
        let evidence = noEvidence(parameters);
        for (const observations of observed) {
          const next = accumulate(evidence, observations, parameters);
          expect([...next.logR, ...next.room, ...next.sum, strength(next)].some(Number.isNaN)).toBe(false);
          for (const [k, logR] of next.logR.entries())
            expect(logR - plusOne(evidence.logR[k]!)).toBeLessThanOrEqual(
              parameters.alternatives[k]!.blockCap + 1e-9,
            );
          evidence = next;
        }
      }),
    );
  });

  test('one more good request never raises the evidence, one more failure never lowers it', () => {
    fc.assert(
      fc.property(
        any,
        fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { maxLength: 10 }),
        fc.nat(50),
        fc.nat(50),
        (changed, past, n, b) => {
          fc.pre(n + b > 0);
          const parameters = detectorParameters({ ...settings, ...changed });
          const before = past.reduce<Evidence>(
            (evidence, [good, bad]) => accumulate(evidence, requests(good, bad), parameters),
            noEvidence(parameters),
          );
          const after = (good: number, bad: number) =>
            strength(accumulate(before, requests(good, bad), parameters));
          const plain = after(n, b);
          expect(after(n + 1, b)).toBeLessThanOrEqual(plain + 1e-9);
          expect(after(n, b + 1)).toBeGreaterThanOrEqual(plain - 1e-9);
        },
      ),
    );
  });
});

test('the mean of logs does not overflow', () => {
  expect(logMean([1000, 1000])).toBe(1000);
  expect(logMean([1000, Number.NEGATIVE_INFINITY])).toBeCloseTo(1000 - Math.log(2), 10);
  expect(logMean([Number.NEGATIVE_INFINITY])).toBe(Number.NEGATIVE_INFINITY);
});

function requests(good: number, bad: number): Observation[] {
  return [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);
}

const rounded = (value: number) => Number(value.toFixed(9));
const plusOne = (logR: number) =>
  logR > 0 ? logR + Math.log1p(Math.exp(-logR)) : Math.log1p(Math.exp(logR));
