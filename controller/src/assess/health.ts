import type { SignalAssessment } from '../types.ts';

/** How well a model does, for people and for ordering; verdicts do not rest on it. */
export interface Health {
  /** From 0 to 1: the worst of the parts. Absent while nothing is known. */
  readonly score?: number;
  readonly parts: Readonly<Record<string, number>>;
}

/**
 * Each signal that is known gives a part: 1 when nothing was bad, one half at what critical allows, 0 at twice that. A
 * model is as healthy as its worst part: good latency makes up for no wrong answer.
 */
export function healthOf(signals: readonly SignalAssessment[]): Health {
  const parts = Object.fromEntries(
    signals.flatMap(({ signal, verdict, levels: { critical } }) => {
      const { requests, bad } = critical.counts;
      if (verdict.kind === 'unknown' || requests === 0) return [];
      return [[signal, Math.max(0, 1 - bad / requests / (2 * critical.allowedBad))]];
    }),
  );
  const scores = Object.values(parts);
  return { parts, ...(scores.length > 0 && { score: Math.min(...scores) }) };
}
