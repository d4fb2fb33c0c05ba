import type { Counts, Observation } from '../types.ts';
import { type Gains, gainsByBadness, totalGains } from './gains.ts';

/**
 * Shiryaev–Roberts detection of a change in a bounded mean, as a mixture over alternatives.
 *
 * Null hypothesis: the mean badness is at most `allowedBad` (q0). For alternative θ in (0, 1) one observation of
 * badness y multiplies the likelihood ratio by 1 + θ·(y − q0)/q0: for y in {0, 1} that is exactly the Bernoulli ratio
 * for q = q0 + θ·(1 − q0), and for any y in [0, 1] it has mean at most 1 under the null (betting on a bounded mean;
 * Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024).
 *
 *   R_k ← (1 + R_k)·e^{min(g_k/φ, cap_k)}, fire when mean_k R_k ≥ A
 *
 * For any healthy process the mean time between false alarms is at least A ticks, however often one looks (Pollak,
 * "Optimal detection of a change in distribution", Ann. Statist. 1985; e-detectors: Shin, Ramdas and Rinaldo, 2023).
 * A cap only lowers R. Tempering by φ ≥ 1 keeps the guarantee too: E[e^{g/φ}] ≤ E[e^g]^{1/φ} ≤ 1 (Jensen). Both
 * follow from the past alone.
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

/**
 * A row of numbers an alternative, brought up to date in place: of ten thousand models, what changes on every tick may
 * not become garbage on every tick. The columns are named below.
 */
export type Evidence = number[];

/** R itself, not its logarithm: 1 + R loses nothing where R is small, and where it is large it is held at `highest`. */
const r = 0;
/** How much of its cap the alternative may use now, in nats. */
const room = 1;
/** The same increments without the 1 of R, never below zero (Page's CUSUM): from its last zero on, it is building. */
const sum = 2;
/** Where the sum last left zero, if it has: a change to this alternative began there, if any did. */
const since = 3;
/** What had been counted until then. */
const requests = 4;
const bad = 5;
const columns = 6;

const highest = 1e200;

/** Multiples of q0 that the alternatives for rates stand at, and betting fractions for scores (or where none fits). */
const rateMultiples = [1.15, 1.4, 2, 3.5, 7, 18];
const scoreFractions = [0.03, 0.08, 0.18, 0.35, 0.6, 0.85];
/** Alternatives nearer to certainty than this are left out: they add nothing that the next one lacks. */
const highestRate = 0.97;
/**
 * The cap holds over blocks of this length, not over each tick: the increments of short ticks are mostly noise, and
 * cutting their upper half alone would turn even a clear change into a drift near zero.
 */
const blockMs = 6000;
/** From here on a change is severe; below, a short burst of a healthy model could feed it. */
const severeRate = 0.3;

export interface DetectorSettings {
  readonly allowedBad: number;
  readonly kind: 'rate' | 'score';
  readonly yearsPerFalseAlarm: number;
  /** Streams of one model that share this budget: its signals, as each level has a budget of its own. */
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
  const severe = thetas.map(theta => q0 + theta * (1 - q0) >= Math.max(severeRate, 2 * q0));
  return {
    allowedBad: q0,
    threshold,
    gains: gainsByBadness(badness => thetas.map(theta => Math.log1p((theta * (badness - q0)) / q0))),
    alternatives: thetas.map((theta, k) => {
      // The mean over all must reach the threshold when those of one kind have agreed for their time.
      const alike = severe.filter(isSevere => isSevere === severe[k]).length;
      const agreementTicks = Math.max(
        1,
        Math.round((severe[k] ? agreementMs.severe : agreementMs.mild) / tickMs),
      );
      const cap = (threshold + Math.log(thetas.length / alike)) / agreementTicks;
      return { theta, cap, blockCap: cap * Math.max(1, blockMs / tickMs) };
    }),
  };
}

export function noEvidence(parameters: DetectorParameters): Evidence {
  const evidence: Evidence = Array(parameters.alternatives.length * columns).fill(0);
  forget(evidence, parameters);
  return evidence;
}

/** Starts again from nothing, which is always valid. */
export function forget(evidence: Evidence, { alternatives }: DetectorParameters): void {
  evidence.fill(0);
  for (let k = 0; k < alternatives.length; k++) evidence[k * columns + room] = alternatives[k]!.blockCap;
}

/** The end of the tick before, and what had been counted until then. */
export interface Before extends Counts {
  readonly at: number;
}

/**
 * One more tick. Without requests the evidence stays as it is, else an idle model would fire in time.
 * @param tempering φ, at least 1
 */
export function accumulate(
  evidence: Evidence,
  observations: readonly Observation[],
  { alternatives, gains }: DetectorParameters,
  before: Before,
  tempering = 1,
): void {
  if (observations.length === 0) return;
  const gained = totalGains(gains, observations);
  for (let k = 0; k < alternatives.length; k++) {
    const { cap, blockCap } = alternatives[k]!;
    const row = k * columns;
    const gain = Math.min(gained[k]! / tempering, evidence[row + room]!);
    evidence[row + r] = Math.min((1 + evidence[row + r]!) * Math.exp(gain), highest);
    evidence[row + room] = Math.min(evidence[row + room]! - gain + cap, blockCap);
    build(evidence, row, gain, before);
  }
}

function build(evidence: Evidence, row: number, gain: number, before: Before): void {
  const height = evidence[row + sum]!;
  const after = height + gain;
  if (after <= 0) {
    if (height > 0) evidence[row + sum] = 0;
    return;
  }
  evidence[row + sum] = after;
  if (height > 0) return;
  evidence[row + since] = before.at;
  evidence[row + requests] = before.requests;
  evidence[row + bad] = before.bad;
}

/** ln of the mean of R over the alternatives, in nats: what is compared with ln A. −∞ when nothing was counted. */
export const strength = (evidence: Evidence): number => Math.log(meanOfR(evidence));

export const reaches = (evidence: Evidence, threshold: number): boolean =>
  meanOfR(evidence) >= Math.exp(threshold);

function meanOfR(evidence: Evidence): number {
  let total = 0;
  for (let row = 0; row < evidence.length; row += columns) total += evidence[row + r]!;
  return (total / evidence.length) * columns;
}

/** Where the alternative that the requests speak for most began to build; `now` when none does. */
export function likeliestBeginning(evidence: Evidence, now: Before): Before {
  let best = 0;
  for (let row = 0; row < evidence.length; row += columns)
    if (evidence[row + sum]! > evidence[best + sum]!) best = row;
  if (evidence[best + sum] === 0) return now;
  return { at: evidence[best + since]!, requests: evidence[best + requests]!, bad: evidence[best + bad]! };
}
