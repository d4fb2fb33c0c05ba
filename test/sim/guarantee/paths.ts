import { poisson, type Random } from '../random.ts';
import { multinomial } from '../requests.ts';
import type { Detector, Setting } from './boundary.ts';

/**
 * The probability of a false alarm that no simulation could wait for, by importance sampling.
 *
 * P is the law of a model exactly at the threshold, T the tick of the first alarm, H the horizon in ticks. To be found
 * is P(H/2 < T ≤ H): the second half, because R begins at 0 and is not yet at its level in the first. Paths are drawn
 * from another law Q: a change tick ν uniform in 1 … H and one of the K alternatives of the detector, uniform too; the
 * model is at the threshold before ν and like that alternative from ν on, where an observation of badness y is
 * 1 + θ·(y − q0)/q0 times as likely as at the threshold. At any stopping time T ≤ H the likelihood ratio is
 *
 *   dQ/dP = (Σ_k R_k(T) + K·(H − T)) / (H·K),   R_k(t) = (1 + R_k(t − 1))·(likelihood ratio of tick t),
 *
 * R_k being the Shiryaev–Roberts statistics without cap, tempering or pause: the sums over ν ≤ T. So
 * P(H/2 < T ≤ H) = E_Q[dP/dQ; H/2 < T ≤ H], whatever the detector is (Siegmund, "Sequential Analysis", 1985, on
 * likelihood ratios at stopping times). What is drawn follows from the theorem that is to be shown: where the detector
 * keeps to it, mean_k R_k(T) ≥ A when it fires, so that no path weighs more than H/A. Hence P(T ≤ H) ≤ H/A (Pollak,
 * Ann. Statist. 1985; as e-detectors: Shin, Ramdas and Rinaldo, 2023), and a few hundred paths tell the probability to a
 * small part of that, however rare the alarm is.
 *
 * The horizon outlasts the memory: an excursion to A takes the mildest alternative about ln A / I ticks, I being its
 * information a tick, and the second half begins after twice that. R begins at 0 again after every alarm, so that the
 * rate over years is, if anything, below that of the second half.
 */
export interface Trial {
  readonly detector: () => Detector;
  /** The chances of the outcomes while the model is healthy, and under each alternative. */
  readonly healthy: Float64Array;
  readonly degraded: readonly Float64Array[];
  /** ln of how much likelier each outcome is, alternative by alternative. */
  readonly logRatios: readonly Float64Array[];
  readonly badness: readonly number[];
  readonly requestsPerTick: number;
  readonly horizonTicks: number;
  /** No path should weigh more. */
  readonly heaviest: number;
}

/** An excursion to A that takes twice its usual time is over before the second half begins. */
const memories = 4;
/** Tempering learns for an hour and remembers half a day. */
const leastHorizonSeconds = 43_200;

export function trialOf(setting: Setting, detector: () => Detector = setting.shipped): Trial {
  const { outcomes, thetas, allowedBad, requestsPerTick, ticksPerYear, alarmsPerYear, boundary } = setting;
  const healthy = Float64Array.from(outcomes, ({ chance }) => chance);
  const factors = thetas.map(theta =>
    Float64Array.from(outcomes, ({ badness }) => 1 + (theta * (badness - allowedBad)) / allowedBad),
  );
  const degraded = factors.map(factor => healthy.map((chance, i) => chance * factor[i]!));
  const logRatios = factors.map(factor => factor.map(Math.log));
  const information = logRatios.map((logs, k) => dot(logs, degraded[k]!) * requestsPerTick);
  const ticksPerAlarm = ticksPerYear / alarmsPerYear;
  const memory = Math.log(ticksPerAlarm) / Math.min(...information);
  const horizonTicks =
    2 * Math.ceil(Math.max(memories * memory, leastHorizonSeconds / boundary.tickSeconds) / 2);
  return {
    ...{ detector, healthy, degraded, logRatios, requestsPerTick, horizonTicks },
    badness: outcomes.map(({ badness }) => badness),
    heaviest: horizonTicks / ticksPerAlarm,
  };
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** `tilted`: a change is drawn and weighed; `plain`: the model stays at the threshold. */
export type Method = 'tilted' | 'plain';

/** When the alarm came, in ticks, and how much more often the path comes about at the threshold than it was drawn. */
interface Alarm {
  readonly tick: number;
  readonly weight: number;
}

/** One path until its alarm, or without one until the horizon. */
function alarmOf(trial: Trial, method: Method, random: Random): Alarm | undefined {
  const { horizonTicks, healthy, degraded } = trial;
  const tilted = method === 'tilted';
  const change = tilted ? 1 + Math.floor(random() * horizonTicks) : Infinity;
  const then = tilted ? degraded[Math.floor(random() * degraded.length)]! : healthy;
  const requests = requestsOf(trial, random);
  const ratios = tilted ? sumOfRatios(trial) : undefined;
  const detect = trial.detector();
  for (let tick = 1; tick <= horizonTicks; tick++) {
    const { counts, observations } = requests(tick < change ? healthy : then);
    ratios?.add(counts, observations.length > 0);
    if (detect(observations)) return { tick, weight: ratios?.weight(tick) ?? 1 };
  }
  return undefined;
}

/** Observations of one tick, valid until the next. */
function requestsOf({ badness, requestsPerTick }: Trial, random: Random) {
  const counts = new Int32Array(badness.length);
  const some = badness.map(value => ({ badness: value, count: 0 }));
  return (chances: Float64Array) => {
    const requests = poisson(random, requestsPerTick);
    if (requests === 0) return { counts, observations: [] };
    multinomial(random, requests, chances, counts);
    for (let i = 0; i < some.length; i++) some[i]!.count = counts[i]!;
    return { counts, observations: some };
  };
}

/** dP/dQ, from the statistics R_k in logarithms. */
function sumOfRatios({ logRatios, horizonTicks }: Trial) {
  const logs = new Float64Array(logRatios.length).fill(Number.NEGATIVE_INFINITY);
  return {
    add(counts: Int32Array, any: boolean): void {
      for (let k = 0; k < logs.length; k++) {
        const log = logs[k]!;
        // Beyond 40 the 1 is lost in rounding.
        logs[k] = (log > 40 ? log : Math.log1p(Math.exp(log))) + (any ? inner(logRatios[k]!, counts) : 0);
      }
    },
    weight(tick: number): number {
      const sum = logs.reduce((all, log) => all + Math.exp(log), logs.length * (horizonTicks - tick));
      return (horizonTicks * logs.length) / sum;
    },
  };
}

function inner(values: Float64Array, counts: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += values[i]! * counts[i]!;
  return sum;
}

/** What a number of paths showed; plain values, to be added up. */
export interface Tally {
  readonly paths: number;
  /** Alarms in the second half of the horizon, their weights and the squares of these. */
  readonly alarms: number;
  readonly weights: number;
  readonly squares: number;
  /** The heaviest alarm of the whole horizon, as a share of what the theorem allows. */
  readonly heaviestShare: number;
}

export const nothing: Tally = { paths: 0, alarms: 0, weights: 0, squares: 0, heaviestShare: 0 };

export function addPath(tally: Tally, trial: Trial, method: Method, random: Random): Tally {
  const alarm = alarmOf(trial, method, random);
  const counted = alarm !== undefined && alarm.tick > trial.horizonTicks / 2;
  const weight = counted ? alarm.weight : 0;
  return {
    paths: tally.paths + 1,
    alarms: tally.alarms + Number(counted),
    weights: tally.weights + weight,
    squares: tally.squares + weight * weight,
    heaviestShare: Math.max(tally.heaviestShare, (alarm?.weight ?? 0) / trial.heaviest),
  };
}

export const together = (a: Tally, b: Tally): Tally => ({
  paths: a.paths + b.paths,
  alarms: a.alarms + b.alarms,
  weights: a.weights + b.weights,
  squares: a.squares + b.squares,
  heaviestShare: Math.max(a.heaviestShare, b.heaviestShare),
});

/** Of the probability P(H/2 < T ≤ H). */
export interface Estimate {
  readonly probability: number;
  readonly standardError: number;
}

export function estimateOf({ paths, weights, squares }: Tally): Estimate {
  const probability = weights / paths;
  const variance = (squares - paths * probability ** 2) / (paths - 1);
  return { probability, standardError: Math.sqrt(Math.max(0, variance) / paths) };
}

/**
 * Half of a 95 % interval around the mean of independent values from 0 to `most`, however they are distributed: a few
 * heavy paths may carry the estimate, and a normal interval would not know of those that were not drawn (Maurer and
 * Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009, theorem 4).
 */
export function halfInterval95({ standardError }: Estimate, paths: number, most: number): number {
  const log = Math.log(2 / 0.025);
  return standardError * Math.sqrt(2 * log) + (7 * most * log) / (3 * (paths - 1));
}
