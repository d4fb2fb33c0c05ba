/**
 * Which targets have just failed again and again, so that they are tried last for a moment. Known to this process only
 * and lost with it. Time and chance are given.
 */

import type { AttemptOutcome } from '@neuroweaver/instrumentation';

export interface OutlierLimits {
  readonly failuresInRow: number;
  readonly baseMs: number;
  readonly capMs: number;
  readonly maxShare: number;
  readonly successesNeeded: number;
}

export interface Outliers<T> {
  /** The targets with those that are avoided now behind the others. */
  arrange(targets: readonly T[], nowMs: number): readonly T[];
  /** An attempt begins; tell what it returns how it ended. */
  begin(target: T, nowMs: number): (outcome: AttemptOutcome, nowMs: number) => Turn | undefined;
}

/** What an outcome has changed. */
export type Turn = { readonly kind: 'avoided'; readonly forMs: number } | { readonly kind: 'trusted again' };

/** What is remembered of a target. `level` counts its pauses, each twice as long as the one before. */
type Health =
  | {
      readonly kind: 'trusted';
      readonly level: number;
      readonly failures: number;
      readonly successes: number;
    }
  | {
      readonly kind: 'avoided';
      readonly level: number;
      readonly untilMs: number;
      readonly successes: number;
    };

/** So many good answers in a row, and earlier pauses are forgotten. */
const steadySuccesses = 30;

const unknownHealth: Health = { kind: 'trusted', level: 0, failures: 0, successes: 0 };

/** @param random a number in [0, 1) */
export function createOutliers<T>(
  targets: readonly T[],
  limits: OutlierLimits,
  random: () => number,
): Outliers<T> {
  const health = new Map<T, Health>(targets.map(target => [target, unknownHealth]));
  /** Since when a request tries a target whose pause is over. */
  const trials = new Map<T, number>();
  const mostAvoided = Math.min(targets.length - 1, Math.ceil(targets.length * limits.maxShare));

  function isAvoided(target: T, nowMs: number): boolean {
    const known = health.get(target)!;
    if (known.kind === 'trusted') return false;
    const trialMs = trials.get(target);
    // An answer that is long in coming must not keep the target out.
    return nowMs < known.untilMs || (trialMs !== undefined && nowMs - trialMs < limits.capMs);
  }

  function hear(target: T, outcome: AttemptOutcome, begunMs: number, nowMs: number): Turn | undefined {
    if (trials.get(target) === begunMs) trials.delete(target);
    const before = health.get(target)!;
    const paused = [...health.values()].filter(known => known.kind === 'avoided' && nowMs < known.untilMs);
    const mayAvoid = paused.length < mostAvoided;
    const after = next(before, outcome, { begunMs, nowMs, mayAvoid, limits, random });
    health.set(target, after);
    if (before.kind === after.kind) return undefined;
    return after.kind === 'avoided'
      ? { kind: 'avoided', forMs: after.untilMs - nowMs }
      : { kind: 'trusted again' };
  }

  return {
    arrange(wanted, nowMs) {
      if (wanted.every(target => !isAvoided(target, nowMs))) return wanted;
      return [
        ...wanted.filter(target => !isAvoided(target, nowMs)),
        ...wanted.filter(target => isAvoided(target, nowMs)),
      ];
    },
    begin(target, begunMs) {
      const known = health.get(target)!;
      if (known.kind === 'avoided' && begunMs >= known.untilMs) trials.set(target, begunMs);
      return (outcome, nowMs) => hear(target, outcome, begunMs, nowMs);
    },
  };
}

interface Circumstances {
  readonly begunMs: number;
  readonly nowMs: number;
  readonly mayAvoid: boolean;
  readonly limits: OutlierLimits;
  readonly random: () => number;
}

function next(health: Health, outcome: AttemptOutcome, given: Circumstances): Health {
  if (outcome === 'cancelled') return health; // says nothing about the target
  return health.kind === 'trusted'
    ? nextOfTrusted(health, outcome === 'ok', given)
    : nextOfAvoided(health, outcome === 'ok', given);
}

function nextOfTrusted(
  { level, failures, successes }: Extract<Health, { kind: 'trusted' }>,
  isGood: boolean,
  given: Circumstances,
): Health {
  if (isGood) {
    const steady = successes + 1 >= steadySuccesses;
    return { kind: 'trusted', level: steady ? 0 : level, failures: 0, successes: successes + 1 };
  }
  if (failures + 1 >= given.limits.failuresInRow && given.mayAvoid) return pause(level + 1, given);
  return { kind: 'trusted', level, failures: failures + 1, successes: 0 };
}

/** What began before the pause was over is old news. */
function nextOfAvoided(
  health: Extract<Health, { kind: 'avoided' }>,
  isGood: boolean,
  given: Circumstances,
): Health {
  if (given.begunMs < health.untilMs) return health;
  if (!isGood) return pause(health.level + 1, given);
  const successes = health.successes + 1;
  if (successes < given.limits.successesNeeded) return { ...health, successes };
  return { kind: 'trusted', level: health.level, failures: 0, successes };
}

function pause(level: number, { nowMs, limits, random }: Circumstances): Health {
  const pauseMs = Math.min(limits.capMs, limits.baseMs * 2 ** (level - 1));
  return { kind: 'avoided', level, untilMs: nowMs + pauseMs * (0.5 + random() / 2), successes: 0 };
}
