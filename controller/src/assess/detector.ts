import type { Observation } from '../types.ts';
import { type Gains, gainsByBadness, totalGains } from './gains.ts';

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
  /** What one observation adds to each alternative, in nats. */
  readonly gains: Gains;
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
    gains: gainsByBadness(badness => thetas.map(theta => Math.log1p((theta * (badness - q0)) / q0))),
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

/**
 * Evidence after one more tick. A tick without requests leaves it as it is, else an idle model would fire in time.
 * Arrays in which nothing changes are handed on: of a healthy model those are most, and thousands of models are many.
 */
export function accumulate(
  evidence: Evidence,
  observations: readonly Observation[],
  { alternatives, gains }: DetectorParameters,
): Evidence {
  if (observations.length === 0) return evidence;
  const used = totalGains(gains, observations);
  const logR = evidence.logR.slice();
  const room = evidence.room.slice();
  const sum = evidence.sum.slice();
  for (let k = 0; k < used.length; k++) {
    const { cap, blockCap } = alternatives[k]!;
    const gained = Math.min(used[k]!, room[k]!);
    logR[k] = log1pExp(logR[k]!) + gained;
    room[k] = Math.min(room[k]! - gained + cap, blockCap);
    sum[k] = Math.max(0, sum[k]! + gained);
  }
  return { logR, room: unlessEqual(room, evidence.room), sum: unlessEqual(sum, evidence.sum) };
}

/** The numbers from before where nothing changed. */
function unlessEqual(after: readonly number[], before: readonly number[]): readonly number[] {
  for (let k = 0; k < after.length; k++) if (after[k] !== before[k]) return after;
  return before;
}

/** ln of the mean of R over the alternatives: what is compared with ln A. */
export const strength = ({ logR }: Evidence): number => logMean(logR);

/** Whether the strength is at least `threshold`; it never is while no alternative is. */
export const reaches = ({ logR }: Evidence, threshold: number): boolean =>
  highestOf(logR) >= threshold && logMean(logR) >= threshold;

/** Below this, e^x is nothing beside 1 in double precision; exponentials are much of the time of a tick. */
const negligible = -40;

/** ln of the mean of e^x, without overflow. */
export function logMean(logs: readonly number[]): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < logs.length; k++) if (logs[k]! > highest) highest = logs[k]!;
  if (highest === Number.NEGATIVE_INFINITY) return highest;
  let sum = 0;
  for (let k = 0; k < logs.length; k++)
    if (logs[k]! - highest > negligible) sum += Math.exp(logs[k]! - highest);
  return highest + Math.log(sum / logs.length);
}

/** The mean of e^x is at most this, and at least this less ln of how many there are; found without a logarithm. */
export function highestOf(logs: readonly number[]): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < logs.length; k++) if (logs[k]! > highest) highest = logs[k]!;
  return highest;
}

/** ln(1 + e^x) without overflow. */
function log1pExp(x: number): number {
  if (x < negligible) return 0;
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
