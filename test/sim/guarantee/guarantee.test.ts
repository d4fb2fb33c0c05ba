import { describe, expect, test } from 'vitest';
import {
  accumulate,
  type DetectorParameters,
  detectorParameters,
  noEvidence,
  reaches,
} from '../../../controller/src/assess/detector.ts';
import { addToRun, isHardDown, noFailures } from '../../../controller/src/assess/hard-down.ts';
import { binomial, poisson, seeded } from '../random.ts';
import { rareBoundaries } from './boundaries.ts';
import { type Boundary, type Detector, type Setting, settingOf } from './boundary.ts';
import { gapsOf } from './gaps.ts';
import { agreementOf, estimateRare, type Guarantee, rareOf } from './guarantee.ts';
import { hardDownPerTick } from './hard-down.ts';
import { addPath, type Method, nothing, type Tally, trialOf } from './paths.ts';
import { guaranteeTables } from './table.ts';

const paths = 150;
const success: Boundary = { signal: 'success', level: 'warning', rate: 10, tickSeconds: 5 };

function tallyOf(
  setting: Setting,
  count: number,
  method: Method = 'tilted',
  detector?: () => Detector,
): Tally {
  const trial = trialOf(setting, detector);
  let tally = nothing;
  for (let path = 0; path < count; path++)
    tally = addPath(tally, trial, method, seeded(JSON.stringify(setting.boundary), method, path));
  return tally;
}

describe('a model exactly at the threshold', () => {
  test.each<[string, Boundary]>([
    ['success, one a year', success],
    ['success, one in 1000 years', { ...success, level: 'critical' }],
    [
      'scores, one in 1000 years',
      { ...success, signal: 'accuracy', level: 'critical', scores: 'half perfect' },
    ],
  ])('alarms less often than its budget allows: %s', (_, boundary) => {
    const setting = settingOf(boundary);
    const { estimated, high95, allowed, heaviestShare } = rareOf(setting, tallyOf(setting, paths));
    expect(estimated).toBeGreaterThan(0);
    expect(high95).toBeLessThan(allowed);
    expect(heaviestShare).toBeLessThan(1);
  });

  test('lies there exactly, whatever its scores are', () => {
    for (const boundary of rareBoundaries) {
      const { outcomes, allowedBad } = settingOf(boundary);
      expect(outcomes.reduce((sum, { chance }) => sum + chance, 0)).toBeCloseTo(1, 9);
      expect(outcomes.reduce((sum, { badness, chance }) => sum + badness * chance, 0)).toBeCloseTo(
        allowedBad,
        9,
      );
    }
  });
});

describe('the estimate', () => {
  test('is what plain simulation sees where alarms are frequent', () => {
    const boundary = { ...success, budget: '96/day' };
    const setting = settingOf(boundary);
    const plain = tallyOf(setting, 200, 'plain');
    expect(plain.alarms).toBeGreaterThan(30);
    expect(Math.abs(agreementOf(boundary, tallyOf(setting, paths), plain).difference)).toBeLessThan(3);
  });

  /** The controller's statistic in a detector that may be wrong. */
  function detectorWith(parameters: DetectorParameters, tempering: number): () => Detector {
    return () => {
      const evidence = noEvidence(parameters);
      const before = { at: 0, requests: 0, bad: 0 };
      return observations => {
        accumulate(evidence, observations, parameters, before, tempering);
        return reaches(evidence, parameters.threshold);
      };
    };
  }

  const setting = settingOf({ ...success, rate: 1 });
  const right = detectorParameters({
    allowedBad: setting.allowedBad,
    kind: 'rate',
    yearsPerFalseAlarm: 1 / setting.alarmsPerYear,
    streams: 1,
    tickMs: 5000,
    agreementMs: { mild: 60_000, severe: 15_000 },
  });
  const findings = (parameters: DetectorParameters, tempering = 1) =>
    rareOf(setting, tallyOf(setting, paths, 'tilted', detectorWith(parameters, tempering)));

  test('is within the budget for the bare statistic too', () => {
    const { high95, allowed, heaviestShare } = findings(right);
    expect(high95).toBeLessThan(allowed);
    expect(heaviestShare).toBeLessThan(1);
  });

  test.each<[string, DetectorParameters, number]>([
    [
      'gains a fifth too large',
      { ...right, gains: badness => right.gains(badness).map(gain => 1.2 * gain) },
      1,
    ],
    ['evidence that is multiplied where it should be divided', right, 1 / 1.25],
    ['a budget six times as large', { ...right, threshold: right.threshold - Math.log(6) }, 1],
  ])('is beyond it for a detector with %s', (_, parameters, tempering) => {
    const { low95, allowed, heaviestShare } = findings(parameters, tempering);
    expect(low95).toBeGreaterThan(allowed);
    expect(heaviestShare).toBeGreaterThan(1);
  });
});

describe('the findings', () => {
  const how = { paths: 25, seed: 1, progress: () => () => undefined };
  const direct: Guarantee['direct'] = {
    results: [],
    budgetPerYear: 1,
    modelYears: 120,
    falseAlarms: 30,
    falseAlarmsPerYearUpper95: 0.34,
    cpuSecondsPerModelYear: 25,
  };

  test('are the same whatever the number of threads', async () => {
    const boundaries = [success, { ...success, level: 'critical' as const, rate: 100 }];
    const one = await estimateRare(boundaries, { ...how, threads: 1 });
    expect(await estimateRare(boundaries, { ...how, threads: 2 })).toEqual(one);
    expect(one).toMatchObject([
      { paths: 25, level: 'warning' },
      { paths: 25, level: 'critical' },
    ]);
  });

  test('say what is not shown', () => {
    const setting = settingOf(success);
    const few = rareOf(setting, tallyOf(setting, 10));
    const seen = { ...nothing, paths: 1000, alarms: 100, weights: 100, squares: 100 };
    const unlike = agreementOf(success, { ...seen, weights: 10, squares: 1 }, seen);
    const unseen = agreementOf(success, nothing, nothing);
    const notShown = gapsOf([few, { ...few, high95: 1, heaviestShare: 1.1 }], [unlike, unseen], direct);
    expect(notShown).toEqual([
      expect.stringMatching(/^success warning at 10 req\/s, ticks of 5 s: between .* allowed are 250$/),
      expect.stringMatching(/an alarm 1\.1 times as heavy as the theorem allows$/),
      expect.stringMatching(/are -9\.\d+ standard errors apart$/),
      expect.stringMatching(/are NaN standard errors apart$/),
    ]);
    const tables = guaranteeTables({ rare: [few], agreement: [unlike], direct, hardDown: [], notShown });
    expect(tables).toMatch(/^success +- +warning +10 +5 +250 /m);
    expect(tables).toContain(`The guarantee is not shown:\n${notShown[0]}`);
  });
});

test('failures in a row come about as often as worked out', () => {
  const failing = { requestsPerTick: 3, failureChance: 0.6, tickMs: 1000 };
  const rule = { failures: 10, forMs: 5000 };
  const random = seeded('failures in a row');
  const run = noFailures(0);
  const ticks = 4_000_000;
  let alarms = 0;
  let counted = false;
  for (let at = 1000; at <= ticks * 1000; at += 1000) {
    const requests = poisson(random, failing.requestsPerTick);
    addToRun(run, at, { requests, bad: binomial(random, requests, failing.failureChance) });
    const down = isHardDown(run, at, rule);
    if (down && !counted) alarms++;
    counted = down;
  }
  expect(alarms / (ticks * hardDownPerTick(failing, rule))).toBeCloseTo(1, 1);
  expect(alarms).toBeGreaterThan(500);
});
