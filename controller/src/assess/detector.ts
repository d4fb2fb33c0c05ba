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
  /** The largest increment of one tick, in nats, so that several ticks must agree before a verdict. */
  readonly cap: number;
}

/** ln R_k for each alternative; −∞ at the start. */
export type Evidence = readonly number[];

/** Multiples of q0 that the alternatives for rates stand at, and betting fractions for scores. */
const rateMultiples = [1.15, 1.4, 2, 3.5, 7, 18];
const scoreFractions = [0.03, 0.08, 0.18, 0.35, 0.6, 0.85];
/** Alternatives nearer to certainty than this are left out: they add nothing that the next one lacks. */
const highestRate = 0.97;
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
  const thetas =
    kind === 'score'
      ? scoreFractions
      : rateMultiples
          .map(multiple => multiple * q0)
          .filter(q => q < highestRate)
          .map(q => (q - q0) / (1 - q0));
  const capOver = (ms: number) => threshold / Math.max(1, Math.round(ms / tickMs));
  return {
    allowedBad: q0,
    threshold,
    alternatives: thetas.map(theta => {
      const severe = q0 + theta * (1 - q0) >= Math.max(severeRate, 2 * q0);
      return { theta, cap: capOver(severe ? agreementMs.severe : agreementMs.mild) };
    }),
  };
}

export function noEvidence({ alternatives }: DetectorParameters): Evidence {
  return alternatives.map(() => Number.NEGATIVE_INFINITY);
}

/** Evidence after one more tick. A tick without requests leaves it as it is, else an idle model would fire in time. */
export function accumulate(
  evidence: Evidence,
  observations: readonly Observation[],
  { allowedBad, alternatives }: DetectorParameters,
): Evidence {
  if (observations.length === 0) return evidence;
  return alternatives.map(({ theta, cap }, k) => {
    let gain = 0;
    for (const { badness, count } of observations)
      gain += count * Math.log1p((theta * (badness - allowedBad)) / allowedBad);
    return log1pExp(evidence[k]!) + Math.min(gain, cap);
  });
}

/** ln of the mean of R over the alternatives: what is compared with ln A. */
export function logMean(evidence: Evidence): number {
  const highest = Math.max(...evidence);
  if (highest === Number.NEGATIVE_INFINITY) return highest;
  let sum = 0;
  for (const logR of evidence) sum += Math.exp(logR - highest);
  return highest + Math.log(sum / evidence.length);
}

/** ln(1 + e^x) without overflow. */
function log1pExp(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
