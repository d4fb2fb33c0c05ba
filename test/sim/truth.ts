import type { Level, Signal } from '@relaycore/rules';
import { type EdgesMs, edgesOf, qualityAt, qualityOfFault, scoreSteps, toConditions } from './conditions.ts';
import { type Distribution, roundedScores, type Sizes } from './distributions.ts';
import type { Behaviour, Fault, Quality } from './scenario.ts';

/** A stretch in which the target is really degraded, as the labels say. */
export interface Incident {
  readonly startMs: number;
  /** When it is as bad as it gets: the start, or the end of the drift. */
  readonly settledMs: number;
  readonly endMs: number;
  /** ln A / KL in requests: no method with that false-alarm budget needs fewer on average. None: nothing shows it. */
  readonly bound: number | null;
}

export interface Judge {
  readonly signals: readonly Signal[];
  readonly level: Level;
  /** ln A of the policy at that level, in nats. */
  readonly evidenceThreshold: number;
  readonly labelsPerRequest: number;
  readonly replicas: number;
  readonly sizes?: Sizes;
}

/** Drift is degraded from where it crosses the threshold; a fault beyond the threshold from its first period on. */
export function incidentsOf(behaviour: Behaviour, judge: Judge, durationMs: number): Incident[] {
  const found = [
    ...incidentsOfPhases(behaviour, judge, durationMs),
    ...incidentsOfFaults(behaviour, judge, durationMs),
  ];
  return merged(found.sort((a, b) => a.startMs - b.startMs));
}

function incidentsOfPhases({ phases }: Behaviour, judge: Judge, durationMs: number): Incident[] {
  const incidents: Incident[] = [];
  for (const [index, phase] of phases.entries()) {
    if (!phase.degraded) continue;
    const before = phases[index - 1];
    const after = phases[index + 1];
    incidents.push({
      startMs: before?.degraded ? phase.atMs : phase.atMs + untilCrossed(index, true),
      settledMs: phase.atMs + phase.driftMs,
      endMs: after ? after.atMs + (after.degraded ? 0 : untilCrossed(index + 1, false)) : durationMs,
      bound: boundOf(phase, judge),
    });
  }
  return incidents;

  /** Time into the drift of a phase until it is beyond the threshold, or no longer beyond. */
  function untilCrossed(index: number, worse: boolean): number {
    const { atMs, driftMs } = phases[index]!;
    const steps = 512;
    for (let step = 0; driftMs > 0 && step <= steps; step++) {
      const ms = (driftMs * step) / steps;
      if (isBeyond(qualityAt(phases, atMs + ms), judge) === worse) return ms;
    }
    return worse ? driftMs : 0;
  }
}

function incidentsOfFaults({ phases, faults }: Behaviour, judge: Judge, durationMs: number): Incident[] {
  return faults.flatMap(fault => {
    const startMs = fault.startMs + fault.phaseMs;
    const quality = underFault(fault, qualityAt(phases, startMs), judge);
    if (!(fault.degraded ?? isBeyond(quality, judge)) || startMs >= durationMs) return [];
    return [{ startMs, settledMs: startMs, endMs: durationMs, bound: boundOf(quality, judge) }];
  });
}

/** Callers of a model see the mean over its replicas. */
function underFault(fault: Fault, nominal: Quality, { replicas }: Judge): Quality {
  const share = fault.replica === undefined ? 1 : 1 / replicas;
  const bad = { ...nominal, ...qualityOfFault(fault) };
  const { success, latency, score } = bad;
  return {
    ...(success !== undefined && { success: share * success + (1 - share) * (nominal.success ?? 1) }),
    ...(latency && {
      latency: { kind: 'mixture', parts: parts(latency, nominal.latency ?? latency) } as const,
    }),
    ...(score && { score: { kind: 'mixture', parts: parts(score, nominal.score ?? score) } as const }),
  };

  function parts<T>(faulty: T, good: T) {
    return [
      { weight: share, of: faulty },
      { weight: 1 - share, of: good },
    ];
  }
}

function merged(incidents: readonly Incident[]): Incident[] {
  const joined: Incident[] = [];
  for (const incident of incidents) {
    const last = joined.at(-1);
    if (last && incident.startMs <= last.endMs)
      joined[joined.length - 1] = { ...last, endMs: Math.max(last.endMs, incident.endMs) };
    else joined.push(incident);
  }
  return joined;
}

/** Is the mean badness of any signal more than its threshold allows? */
function isBeyond(quality: Quality, { signals, level, sizes }: Judge): boolean {
  const edges = edgesOf(signals);
  return signals.some(signal => {
    const mean = meanBadness(signal, quality, edges, level, sizes);
    return mean !== undefined && mean > signal.levels[level].allowedBad;
  });
}

/** The fewest requests over the signals; in requests also where only some of them get a score. */
function boundOf(
  quality: Quality,
  { signals, level, evidenceThreshold, labelsPerRequest, sizes }: Judge,
): number | null {
  const edges = edgesOf(signals);
  const bounds = signals.flatMap(signal => {
    const mean = meanBadness(signal, quality, edges, level, sizes);
    const { allowedBad } = signal.levels[level];
    if (mean === undefined || mean <= allowedBad) return [];
    const information =
      signal.name === 'accuracy'
        ? labelsPerRequest * klInf(badnessOfScores(quality.score!), allowedBad)
        : klBernoulli(mean, allowedBad);
    return information > 0 ? [evidenceThreshold / information] : [];
  });
  return bounds.length > 0 ? Math.min(...bounds) : null;
}

function meanBadness(
  signal: Signal,
  quality: Quality,
  edges: EdgesMs,
  level: Level,
  sizes: Sizes | undefined,
): number | undefined {
  const { success, slow, scores } = toConditions(quality, edges, sizes);
  switch (signal.name) {
    case 'success':
      return quality.success === undefined ? undefined : 1 - success;
    case 'latency':
      return quality.latency && slow[level];
    case 'accuracy':
      return quality.score && scores.reduce((sum, chance, i) => sum + chance * (1 - i / scoreSteps), 0);
    default:
      return undefined; // no scenario has ratings, or signals of its own
  }
}

/** Probability of each degree of badness 0, 0.001, … 1: the score itself, not only what its histogram keeps of it. */
const badnessOfScores = (score: Distribution) => [...roundedScores(score, 1000)].reverse();

/** Kullback–Leibler divergence of two Bernoulli distributions, in nats. */
export function klBernoulli(p: number, q: number): number {
  const term = (a: number, b: number) => (a === 0 ? 0 : a * Math.log(a / b));
  return term(p, q) + term(1 - p, 1 - q);
}

/**
 * The least divergence from any distribution on [0, 1] with a mean of at most `allowedBad`: what a bounded mean can
 * show per request, in nats. By its dual, max over θ of E[ln(1 + θ·(y − q0)/q0)] (Honda and Takemura, "An asymptotically
 * optimal bandit algorithm for bounded support models", COLT 2010). `chances` are those of 0, 1/n, … 1.
 */
export function klInf(chances: readonly number[], allowedBad: number): number {
  const growth = (theta: number) =>
    chances.reduce((sum, chance, i) => {
      const factor = 1 + (theta * (i / (chances.length - 1) - allowedBad)) / allowedBad;
      return chance === 0 ? sum : sum + chance * Math.log(factor);
    }, 0);
  let [low, high] = [0, 1 - 1e-9];
  for (let round = 0; round < 100; round++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (growth(a) < growth(b)) low = a;
    else high = b;
  }
  return Math.max(0, growth((low + high) / 2));
}
