import type { Observation } from '../types.ts';

/**
 * Shiryaev–Roberts detection of a change in a bounded mean, as a mixture over alternatives.
 *
 * Null hypothesis: the mean badness is at most `allowedBad` (q0). For alternative θ in (0, 1) one observation of
 * badness y multiplies the likelihood ratio by 1 + θ·(y − q0)/q0: for y in {0, 1} that is exactly the Bernoulli ratio
 * for q = q0 + θ·(1 − q0), and for any y in [0, 1] it has mean at most 1 under the null (betting on a bounded mean;
 * Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024).
 *
 *   R_k ← (1 + R_k)·e^{g_k}, fire when mean_k R_k ≥ A
 *
 * For any healthy process the mean time between false alarms is at least A ticks, however often one looks (Pollak,
 * "Optimal detection of a change in distribution", Ann. Statist. 1985; e-detectors: Shin, Ramdas and Rinaldo, 2023).
 * Capping an increment from above only lowers R, so the guarantee stays.
 */
export interface DetectorParameters {
  readonly allowedBad: number;
  /** ln A: the evidence, in nats, at which the verdict fires. */
  readonly threshold: number;
  readonly alternatives: readonly Alternative[];
}

interface Alternative {
  readonly theta: number;
  /** The mean increment of a tick that is believed, in nats, so that a verdict takes its time to agree. */
  readonly cap: number;
  /** What one tick may use when the ticks before it left some of theirs: the cap of a whole block. */
  readonly blockCap: number;
}

export interface Evidence {
  /** ln R_k for each alternative; −∞ at the start. */
  readonly logR: readonly number[];
  /** How much of its cap each alternative may use now, in nats. */
  readonly room: readonly number[];
  /** The same increments without the 1 of R, never below zero (Page's CUSUM): from its last zero on, it is building. */
  readonly sum: readonly number[];
}

/** Multiples of q0 that the alternatives for rates stand at, and betting fractions for scores (or where none fits). */
const rateMultiples = [1.15, 1.4, 2, 3.5, 7, 18];
const scoreFractions = [0.03, 0.08, 0.18, 0.35, 0.6, 0.85];
/** Alternatives nearer to certainty than this are left out: they add nothing that the next one lacks. */
const highestRate = 0.97;
/**
 * The cap holds over blocks of this length, not over each tick: the increments of short ticks are mostly noise, and
 * cutting their upper half alone would turn even a clear change into a drift near zero. A cap that depends only on the
 * past still lowers R, so the guarantee stays.
 */
const blockMs = 5000;
/** From here on a change is severe; below, a short burst of a healthy model could feed it. */
const severeRate = 0.3;

export interface DetectorSettings {
  readonly allowedBad: number;
  readonly kind: 'rate' | 'score';
  readonly yearsPerFalseAlarm: number;
  /** Streams of one model that share its budget. */
  readonly streams: number;
  readonly tickMs: number;
  readonly agreementMs: { readonly mild: number; readonly severe: number };
}

const secondsPerYear = 31_557_600;

export function detectorParameters(settings: DetectorSettings): DetectorParameters {
  const { allowedBad: q0, kind, yearsPerFalseAlarm, streams, tickMs, agreementMs } = settings;
  const ticksPerFalseAlarm = (yearsPerFalseAlarm * secondsPerYear * 1000) / tickMs;
  const threshold = Math.log(ticksPerFalseAlarm) + Math.log(streams);
  const rates = rateMultiples.map(multiple => multiple * q0).filter(q => q < highestRate);
  const thetas =
    kind === 'score' || rates.length === 0 ? scoreFractions : rates.map(q => (q - q0) / (1 - q0));
  const capOver = (ms: number) => threshold / Math.max(1, Math.round(ms / tickMs));
  return {
    allowedBad: q0,
    threshold,
    alternatives: thetas.map(theta => {
      const severe = q0 + theta * (1 - q0) >= Math.max(severeRate, 2 * q0);
      const cap = capOver(severe ? agreementMs.severe : agreementMs.mild);
      return { theta, cap, blockCap: cap * Math.max(1, blockMs / tickMs) };
    }),
  };
}

export function noEvidence({ alternatives }: DetectorParameters): Evidence {
  return {
    logR: alternatives.map(() => Number.NEGATIVE_INFINITY),
    room: alternatives.map(({ blockCap }) => blockCap),
    sum: alternatives.map(() => 0),
  };
}

/** Evidence after one more tick. A tick without requests leaves it as it is, else an idle model would fire in time. */
export function accumulate(
  { logR, room, sum }: Evidence,
  observations: readonly Observation[],
  { allowedBad, alternatives }: DetectorParameters,
): Evidence {
  if (observations.length === 0) return { logR, room, sum };
  const next = { logR: [] as number[], room: [] as number[], sum: [] as number[] };
  for (let k = 0; k < alternatives.length; k++) {
    const { theta, cap, blockCap } = alternatives[k]!;
    const left = room[k]!;
    const used = Math.min(gain(observations, theta, allowedBad), left);
    next.logR.push(log1pExp(logR[k]!) + used);
    next.room.push(Math.min(left - used + cap, blockCap));
    next.sum.push(Math.max(0, sum[k]! + used));
  }
  return next;
}

function gain(observations: readonly Observation[], theta: number, allowedBad: number): number {
  let sum = 0;
  for (const { badness, count } of observations)
    sum += count * Math.log1p((theta * (badness - allowedBad)) / allowedBad);
  return sum;
}

/** ln of the mean of R over the alternatives: what is compared with ln A. */
export const strength = ({ logR }: Evidence): number => logMean(logR);

/** ln of the mean of e^x, without overflow. */
export function logMean(logs: readonly number[]): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const log of logs) if (log > highest) highest = log;
  if (highest === Number.NEGATIVE_INFINITY) return highest;
  let sum = 0;
  for (const log of logs) sum += Math.exp(log - highest);
  return highest + Math.log(sum / logs.length);
}

/** ln(1 + e^x) without overflow. */
function log1pExp(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
