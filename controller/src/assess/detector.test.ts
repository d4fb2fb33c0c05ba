import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Observation } from '../types.ts';
import {
  accumulate,
  type DetectorParameters,
  type DetectorSettings,
  detectorParameters,
  type Evidence,
  noEvidence,
  reaches,
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

  test.each([
    ['severe', 0.5, 3],
    ['mild', 0.12, 12],
  ])(
    '%s ones agree after their time and not sooner, however many requests there are',
    (_, failing, ticks) => {
      const evidence = noEvidence(parameters);
      for (let tick = 1; tick <= ticks; tick++) {
        expect(reaches(evidence, parameters.threshold)).toBe(false);
        accumulate(evidence, requests(1e6 * (1 - failing), 1e6 * failing), parameters, before);
      }
      expect(reaches(evidence, parameters.threshold)).toBe(true);
    },
  );

  test('an agreement shorter than a tick is one tick', () => {
    const slow = detectorParameters({ ...settings, tickMs: 120_000 });
    expect(slow.alternatives.every(({ cap }) => cap >= slow.threshold)).toBe(true);
  });
});

describe('the increment of one tick', () => {
  test('is the log likelihood ratio, computed by hand', () => {
    const increments = logR(after(parameters, requests(49, 1)));
    const expected = [0.0575, 0.07, 0.1, 0.175, 0.35, 0.9].map(
      q => Math.log(q / 0.05) + 49 * Math.log((1 - q) / 0.95),
    );
    expect(increments.map(rounded)).toEqual(expected.map(rounded));
    expect(rounded(increments[2]!)).toBe(rounded(Math.log(2) + 49 * Math.log(0.9 / 0.95)));
  });

  test('comes on top of 1 + R', () => {
    expect(rounded(logR(after(parameters, requests(0, 1)))[2]!)).toBe(rounded(Math.log(2)));
    expect(rounded(logR(after(parameters, requests(0, 1), requests(0, 1)))[2]!)).toBe(
      rounded(Math.log((1 + 2) * 2)),
    );
  });

  test('is capped, so that a thousand failures in one tick fire nothing', () => {
    const evidence = after(parameters, requests(0, 1000));
    expect(logR(evidence).map(rounded)).toEqual(
      parameters.alternatives.map(({ blockCap }) => rounded(blockCap)),
    );
    expect(strength(evidence)).toBeLessThan(parameters.threshold);
  });

  test('is divided by the tempering, before the cap', () => {
    const [plain, tempered] = [noEvidence(parameters), noEvidence(parameters)];
    accumulate(plain, requests(40, 3), parameters, before);
    accumulate(tempered, requests(40, 3), parameters, before, 2);
    expect(logR(tempered)[1]!).toBeCloseTo(logR(plain)[1]! / 2, 9);
  });

  test('a score counts by how bad it is', () => {
    const scores = detectorParameters({ ...settings, kind: 'score', allowedBad: 0.25 });
    const increments = logR(after(scores, [{ badness: 0.4, count: 3 }]));
    expect(rounded(increments[3]!)).toBe(rounded(3 * Math.log(1 + (0.35 * (0.4 - 0.25)) / 0.25)));
  });

  test('a tick without requests leaves everything as it is, for ever', () => {
    const some = after(parameters, requests(10, 3));
    expect(after(parameters, requests(10, 3), ...Array<Observation[]>(1000).fill([]))).toEqual(some);
  });
});

describe('short ticks', () => {
  const everySecond = detectorParameters({ ...settings, tickMs: 1000 });
  const ticksToFire = (observations: readonly Observation[]) => {
    const evidence = noEvidence(everySecond);
    for (let tick = 1; ; tick++) {
      accumulate(evidence, observations, everySecond, before);
      if (reaches(evidence, everySecond.threshold)) return tick;
    }
  };

  test('the cap holds over six seconds: a burst of one second counts as much as an even six', () => {
    const burst = logR(after(everySecond, requests(0, 1000)))[5]!;
    const { cap } = everySecond.alternatives[5]!;
    expect(burst).toBeCloseTo(6 * cap, 10);
    const more = logR(after(everySecond, requests(0, 1000), requests(0, 1000)))[5]!;
    expect(more - burst).toBeCloseTo(cap, 2);
  });

  test('an outage is found after ten seconds or more, not sooner', () => {
    expect(ticksToFire(requests(0, 10))).toBeGreaterThanOrEqual(10);
    expect(ticksToFire(requests(0, 10))).toBeLessThanOrEqual(13);
  });
});

const anySettings = fc.record({
  allowedBad: fc.double({ min: 0.001, max: 0.999, noNaN: true }),
  kind: fc.constantFrom('rate' as const, 'score' as const),
  tickMs: fc.integer({ min: 200, max: 300_000 }),
});
const anyTicks = fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { maxLength: 10 });

describe('whatever arrives', () => {
  const observation = fc.record({
    badness: fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    count: fc.oneof(fc.nat(1000), fc.maxSafeNat(), fc.double({ min: 0, max: 1e15, noNaN: true })),
  });
  const ticks = fc.array(fc.array(observation, { maxLength: 4 }), { maxLength: 30 });

  test('nothing is ever NaN or infinite, and more than the cap of a block never counts', () => {
    fc.assert(
      fc.property(anySettings, ticks, (changed, observed) => {
        const parameters = detectorParameters({ ...settings, ...changed });
        const evidence = noEvidence(parameters);
        for (const observations of observed) {
          const earlier = logR(evidence).map(Math.exp);
          accumulate(evidence, observations, parameters, before);
          expect(evidence.every(Number.isFinite)).toBe(true);
          for (const [k, value] of logR(evidence).entries())
            expect(value - Math.log1p(earlier[k]!)).toBeLessThanOrEqual(
              parameters.alternatives[k]!.blockCap + 1e-9,
            );
        }
      }),
    );
  });

  test('one more good request never raises the evidence, one more failure never lowers it', () => {
    fc.assert(
      fc.property(anySettings, anyTicks, fc.nat(50), fc.nat(50), (changed, past, n, b) => {
        fc.pre(n + b > 0);
        const parameters = detectorParameters({ ...settings, ...changed });
        const history = past.map(([good, bad]) => requests(good, bad));
        const with_ = (good: number, bad: number) =>
          strength(after(parameters, ...history, requests(good, bad)));
        expect(with_(n + 1, b)).toBeLessThanOrEqual(with_(n, b) + 1e-9);
        expect(with_(n, b + 1)).toBeGreaterThanOrEqual(with_(n, b) - 1e-9);
      }),
    );
  });
});

/*
 * The whole guarantee rests on one fact: while the model is healthy, no tick multiplies 1 + R by more than 1 on
 * average, whatever came before, however the requests are cut into ticks. Here the average is exact: every outcome of
 * a tick with its binomial probability.
 */
describe('while the mean badness is what is allowed', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const past = fc.tuple(anySettings, anyTicks, fc.double({ min: 1, max: 10, noNaN: true }), share);

  test('a tick multiplies 1 + R by at most 1 on average, after any past, under any tempering', () => {
    fc.assert(
      fc.property(past, fc.integer({ min: 1, max: 60 }), (given, n) => {
        const { grown } = healthyTick(given);
        for (const mean of grown([n])) expect(mean).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
  });

  test('cutting it in two keeps that', () => {
    fc.assert(
      fc.property(past, fc.nat(8), fc.nat(8), (given, first, second) => {
        const { grown, parameters, evidence } = healthyTick(given);
        // After two ticks E[R] is at most R + 2, as after two whole ones.
        for (const [k, mean] of grown([first, second]).entries()) {
          const r = Math.exp(logR(evidence)[k]!);
          const ticks = (first > 0 ? 1 : 0) + (second > 0 ? 1 : 0);
          expect(mean * (1 + r)).toBeLessThanOrEqual((r + Math.max(1, ticks)) * (1 + 1e-9));
        }
        expect(parameters.alternatives.length).toBeGreaterThan(0);
      }),
    );
  });

  function healthyTick([changed, history, tempering, healthier]: [
    Partial<DetectorSettings>,
    [number, number][],
    number,
    number,
  ]) {
    const parameters = detectorParameters({ ...settings, ...changed, kind: 'rate' });
    const evidence = after(parameters, ...history.map(([good, bad]) => requests(good, bad)));
    const failing = parameters.allowedBad * healthier;
    /** Mean of R after ticks of so many requests, over 1 + R now; exact. */
    const grown = (ticks: readonly number[]): number[] => {
      const mean = parameters.alternatives.map(() => 0);
      const visit = (from: Evidence, left: readonly number[], chance: number): void => {
        if (left.length === 0) {
          for (const [k, value] of logR(from).entries()) mean[k]! += chance * Math.exp(value);
          return;
        }
        for (let bad = 0; bad <= left[0]!; bad++) {
          const next = [...from];
          accumulate(next, requests(left[0]! - bad, bad), parameters, before, tempering);
          visit(next, left.slice(1), chance * binomial(left[0]!, bad, failing));
        }
      };
      visit(evidence, ticks, 1);
      return mean.map((value, k) => value / (1 + Math.exp(logR(evidence)[k]!)));
    };
    return { parameters, evidence, grown };
  }
});

const before = { at: 0, requests: 0, bad: 0 };

function after(parameters: DetectorParameters, ...ticks: readonly (readonly Observation[])[]): Evidence {
  const evidence = noEvidence(parameters);
  for (const observations of ticks) accumulate(evidence, observations, parameters, before);
  return evidence;
}

/** R stands in the first of six columns. */
const logR = (evidence: Evidence) => evidence.filter((_, column) => column % 6 === 0).map(Math.log);

function requests(good: number, bad: number): Observation[] {
  return [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);
}

function binomial(n: number, k: number, p: number): number {
  let chance = (1 - p) ** (n - k) * p ** k;
  for (let i = 1; i <= k; i++) chance *= (n - k + i) / i;
  return chance;
}

const rounded = (value: number) => Number(value.toFixed(9));
