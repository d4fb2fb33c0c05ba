import type { Level } from '@relaycore/rules';
import type { DetectorName } from './detectors.ts';
import type { Score } from './score.ts';

/** One row of the report: a scenario at one rate under one detector, over all repeats. */
export interface Result {
  readonly scenario: string;
  /** Requests per second. */
  readonly rate: number;
  readonly detector: DetectorName;
  /** Which verdict is judged. */
  readonly level: Level;
  readonly repeats: number;
  /** Simulated time in which the model was healthy: what false alarms are counted over. */
  readonly modelYears: number;
  readonly falseAlarms: number;
  /** The true rate is below this with 95 % confidence, given what was seen (exact Poisson); null without healthy time. */
  readonly falseAlarmsPerYearUpper95: number | null;
  readonly falseSwitches: number;
  readonly incidents: number;
  /** Share of the incidents noticed within 3 × bound + 120 s; null without any. */
  readonly recall: number | null;
  /** Share of the incidents noticed at all. */
  readonly noticed: number | null;
  /** ln A / KL(after ‖ threshold), in requests; null where nothing measured tells the incident. */
  readonly bound: number | null;
  readonly delaySeconds: Quantiles;
  readonly delayRequests: Quantiles;
  /** Requests until the verdict, over the bound. */
  readonly delayRatio: Quantiles;
  readonly switchesPerDay: number;
  readonly failedShare: number | null;
}

export interface Quantiles {
  readonly median: number | null;
  readonly p99: number | null;
}

export const msPerYear = 31_557_600_000;
const msPerDay = 86_400_000;

export interface Row {
  readonly scenario: string;
  readonly level: Level;
  readonly rate: number;
  readonly detector: DetectorName;
}

export function resultOf({ scenario, level, rate, detector }: Row, scores: readonly Score[]): Result {
  const sum = (value: (score: Score) => number) => scores.reduce((all, score) => all + value(score), 0);
  const detections = scores.flatMap(score => score.detections);
  const delays = detections.flatMap(({ delay, bound }) => (delay ? [{ ...delay, bound }] : []));
  const modelYears = sum(({ healthyMs }) => healthyMs) / msPerYear;
  const falseAlarms = sum(score => score.falseAlarms);
  const requests = sum(score => score.requests);
  return {
    scenario,
    rate,
    detector,
    level,
    repeats: scores.length,
    modelYears: rounded(modelYears),
    falseAlarms,
    falseAlarmsPerYearUpper95: modelYears > 0 ? rounded(poissonUpper(falseAlarms, 0.95) / modelYears) : null,
    falseSwitches: sum(score => score.falseSwitches),
    incidents: detections.length,
    recall: share(detections.filter(({ inTime }) => inTime).length, detections.length),
    noticed: share(delays.length, detections.length),
    bound: quantile(
      detections.flatMap(({ bound }) => bound ?? []),
      0.5,
    ),
    delaySeconds: quantiles(delays.map(({ ms }) => ms / 1000)),
    delayRequests: quantiles(delays.map(delay => delay.requests)),
    delayRatio: quantiles(
      delays.flatMap(({ requests, bound }) => (bound === null ? [] : [requests / bound])),
    ),
    switchesPerDay: rounded(
      sum(({ switches }) => switches) / (sum(({ simulatedMs }) => simulatedMs) / msPerDay),
    ),
    failedShare: share(
      sum(({ failed }) => failed),
      requests,
    ),
  };
}

const share = (part: number, all: number) => (all === 0 ? null : rounded(part / all));

const quantiles = (values: readonly number[]): Quantiles => ({
  median: quantile(values, 0.5),
  p99: quantile(values, 0.99),
});

/** The smallest value that at least that share of them does not exceed. */
function quantile(values: readonly number[], q: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return rounded(sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!);
}

/** The largest mean under which seeing `count` or fewer is not rarer than 1 − confidence (Garwood, 1936). */
export function poissonUpper(count: number, confidence: number): number {
  let [low, high] = [count, count + 10 * Math.sqrt(count + 1) + 10];
  for (let round = 0; round < 80; round++) {
    const middle = (low + high) / 2;
    if (poissonCdf(count, middle) > 1 - confidence) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function poissonCdf(count: number, mean: number): number {
  let log = -mean;
  let sum = Math.exp(log);
  for (let k = 1; k <= count; k++) {
    log += Math.log(mean / k);
    sum += Math.exp(log);
  }
  return sum;
}

const rounded = (value: number) => Number(value.toPrecision(6));
