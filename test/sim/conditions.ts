import type { Level, Signal } from '@relaycore/rules';
import {
  between,
  type Distribution,
  exceeds,
  roundedScores,
  type Sizes,
  shiftedChance,
  shiftedScores,
} from './distributions.ts';
import { exponential, normal, pareto, type Random } from './random.ts';
import type { Behaviour, Fault, Phase, Quality } from './scenario.ts';

/** Scores are recorded at the edges 0, 0.1, … 1. */
export const scoreSteps = 10;

/** What one request of a target meets now, as probabilities. */
export interface Conditions {
  readonly success: number;
  /** P(latency beyond the edge of that level). */
  readonly slow: Readonly<Record<Level, number>>;
  /** Probability of each recorded score; empty where there are none. */
  readonly scores: Float64Array;
  readonly latency?: Distribution;
}

export interface ConditionsSource {
  /** Moves on to the tick that begins and ends then; noise and bursts follow. */
  advance(fromMs: number, toMs: number): void;
  /** Of that tick, at one replica (from 1). */
  current(replica: number): Conditions;
}

export type EdgesMs = Readonly<Record<Level, number>>;

export function edgesOf(signals: readonly Signal[]): EdgesMs {
  const { levels } = signals.find(({ name }) => name === 'latency')!;
  return { warning: levels.warning.edgeSeconds! * 1000, critical: levels.critical.edgeSeconds! * 1000 };
}

export function conditionsOf(
  behaviour: Behaviour,
  edges: EdgesMs,
  random: Random,
  sizes?: Sizes,
): ConditionsSource {
  const burstShare = bursts(behaviour.bursts, random);
  const shift = wandering(behaviour.noise, random);
  const settled = new Map<string, Conditions>();
  let at = 0;
  let inBurst = 0;
  let shifted = 0;

  return {
    advance(fromMs, toMs) {
      at = (fromMs + toMs) / 2;
      inBurst = burstShare(fromMs, toMs);
      shifted = shift(toMs - fromMs);
    },
    current(replica) {
      const steady = steadyConditions(replica);
      return shifted === 0 && inBurst === 0 ? steady.conditions : disturbed(steady);
    },
  };

  /** Without noise and bursts; worked out once for every stretch in which nothing moves. */
  function steadyConditions(replica: number): { conditions: Conditions; quality: () => Quality } {
    const phase = phaseIndex(behaviour.phases, at);
    const fault = activeFault(behaviour.faults, at, replica);
    const quality = () => ({ ...qualityAt(behaviour.phases, at), ...(fault && qualityOfFault(fault)) });
    const { atMs, driftMs } = behaviour.phases[phase]!;
    if (at < atMs + driftMs) return { conditions: toConditions(quality(), edges, sizes), quality };
    const key = `${phase} ${fault ? behaviour.faults.indexOf(fault) : '-'}`;
    let conditions = settled.get(key);
    if (!conditions) {
      conditions = toConditions(quality(), edges, sizes);
      settled.set(key, conditions);
    }
    return { conditions, quality };
  }

  function disturbed({ conditions, quality }: ReturnType<typeof steadyConditions>): Conditions {
    const success = shiftedChance(conditions.success, shifted);
    return {
      ...conditions,
      success: inBurst === 0 ? success : 1 - errorsInBurst(1 - success),
      slow: {
        warning: shiftedChance(conditions.slow.warning, -shifted),
        critical: shiftedChance(conditions.slow.critical, -shifted),
      },
      scores:
        conditions.scores.length === 0 || shifted === 0
          ? conditions.scores
          : scoresShifted(conditions, quality),
    };
  }

  function errorsInBurst(errors: number): number {
    const { error_rate, error_multiplier } = behaviour.bursts!;
    return (1 - inBurst) * errors + inBurst * Math.min(1, error_rate ?? errors * error_multiplier!);
  }

  /** Beta distributions are slow to integrate, so scores follow the noise in steps of 0.02 on the logit. */
  function scoresShifted(conditions: Conditions, quality: () => Quality): Float64Array {
    const step = Math.round(shifted / 0.02);
    const known = shiftedTables.get(conditions) ?? new Map<number, Float64Array>();
    shiftedTables.set(conditions, known);
    let scores = known.get(step);
    if (!scores) {
      scores = roundedScores(shiftedScores(quality().score!, step * 0.02), scoreSteps);
      known.set(step, scores);
    }
    return scores;
  }
}

const shiftedTables = new WeakMap<Conditions, Map<number, Float64Array>>();

export function toConditions(
  { success, latency, score }: Quality,
  edges: EdgesMs,
  sizes?: Sizes,
): Conditions {
  return {
    success: success ?? 1,
    slow: {
      warning: latency ? exceeds(latency, edges.warning, sizes) : 0,
      critical: latency ? exceeds(latency, edges.critical, sizes) : 0,
    },
    scores: score ? roundedScores(score, scoreSteps) : noScores,
    ...(latency && { latency }),
  };
}

const noScores = new Float64Array(0);

/** What the phases say about that moment, between two of them while it drifts. */
export function qualityAt(phases: readonly Phase[], ms: number): Quality {
  const index = phaseIndex(phases, ms);
  const to = phases[index]!;
  const from = phases[index - 1];
  const share = from && to.driftMs > 0 ? Math.min(1, (ms - to.atMs) / to.driftMs) : 1;
  if (share === 1) return to;
  const { success, latency, score } = from!;
  return {
    ...to,
    ...(success !== undefined &&
      to.success !== undefined && { success: success + (to.success - success) * share }),
    ...(latency && to.latency && { latency: between(latency, to.latency, share) }),
    ...(score && to.score && { score: between(score, to.score, share) }),
  };
}

function phaseIndex(phases: readonly Phase[], ms: number): number {
  let index = phases.length - 1;
  while (index > 0 && phases[index]!.atMs > ms) index--;
  return index;
}

export const qualityOfFault = ({ success, latency, score }: Fault): Quality => ({
  ...(success !== undefined && { success }),
  ...(latency && { latency }),
  ...(score && { score }),
});

function activeFault(faults: readonly Fault[], ms: number, replica: number): Fault | undefined {
  return faults.find(fault => {
    if (fault.replica !== undefined && fault.replica !== replica) return false;
    const since = ms - fault.startMs - fault.phaseMs;
    return since >= 0 && since % fault.periodMs < fault.duty * fault.periodMs;
  });
}

/** Share of a tick that lies in bursts. Bursts begin after each other's end, with exponential or Pareto gaps. */
function bursts(written: Behaviour['bursts'], random: Random): (fromMs: number, toMs: number) => number {
  if (!written) return () => 0;
  const meanGap = 86_400_000 / written.per_day;
  const gap = () =>
    written.gaps === 'exponential'
      ? exponential(random, meanGap)
      : pareto(random, meanGap * (1 - 1 / gapShape), gapShape);
  const { constant, pareto: heavy } = written.seconds;
  const length = () => 1000 * (heavy ? pareto(random, heavy.min, heavy.alpha, heavy.max) : constant!);
  let start = gap();
  let end = start + length();
  return (fromMs, toMs) => {
    let inside = 0;
    while (start < toMs) {
      inside += Math.max(0, Math.min(end, toMs) - Math.max(start, fromMs));
      if (end > toMs) break;
      start = end + gap();
      end = start + length();
    }
    return inside / (toMs - fromMs);
  };
}

/** Tail index of the Pareto gaps: a finite mean, no finite variance. */
const gapShape = 1.5;

/** An Ornstein–Uhlenbeck process on the logit, sampled exactly once a tick. */
function wandering(noise: Behaviour['noise'], random: Random): (tickMs: number) => number {
  if (!noise || noise.logitSd === 0) return () => 0;
  let value = noise.logitSd * normal(random);
  return tickMs => {
    const kept = Math.exp(-tickMs / noise.tauMs);
    value = value * kept + noise.logitSd * Math.sqrt(1 - kept * kept) * normal(random);
    return value;
  };
}
