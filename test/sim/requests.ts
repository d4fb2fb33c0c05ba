import type { SignalName } from '@relaycore/rules';
import { type Conditions, type EdgesMs, scoreSteps } from './conditions.ts';
import { exceedsTokens } from './distributions.ts';
import { binomial, type Random } from './random.ts';
import type { Trace } from './trace.ts';

/** What became of the requests of one stretch of time: exact draws, no request is simulated on its own. */
export interface Outcomes {
  requests: number;
  failed: number;
  /** Slower than the edge of the warning, and of the critical. */
  slowWarning: number;
  slowCritical: number;
  /** Recorded scores by edge 0, 0.1, … 1. */
  readonly scores: Int32Array;
}

export type Driven = Readonly<Record<SignalName, boolean>>;

export const noOutcomes = (): Outcomes => ({
  requests: 0,
  failed: 0,
  slowWarning: 0,
  slowCritical: 0,
  scores: new Int32Array(scoreSteps + 1),
});

/** Draws the outcomes of so many requests into `into`; of the signals that the scenario drives. */
export function drawOutcomes(
  random: Random,
  requests: number,
  conditions: Conditions,
  driven: Driven,
  labelsPerRequest: number,
  into: Outcomes,
): void {
  const { success, slow, scores } = conditions;
  into.requests = requests;
  into.failed = driven.success ? binomial(random, requests, 1 - success) : 0;
  into.slowWarning = driven.latency ? binomial(random, requests, slow.warning) : 0;
  into.slowCritical =
    into.slowWarning > 0 ? binomial(random, into.slowWarning, slow.critical / slow.warning) : 0;
  if (!driven.accuracy) return;
  const labelled = labelsPerRequest === 1 ? requests : binomial(random, requests, labelsPerRequest);
  multinomial(random, labelled, scores, into.scores);
}

/** Edge by edge: how many of the rest fall on this one. */
export function multinomial(random: Random, n: number, chances: Float64Array, into: Int32Array): void {
  into.fill(0);
  let left = n;
  let chanceLeft = 1;
  for (let i = chances.length - 1; i >= 0 && left > 0; i--) {
    const chance = chances[i]!;
    const hit = i === 0 || chance >= chanceLeft ? left : binomial(random, left, chance / chanceLeft);
    into[i] = hit;
    left -= hit;
    chanceLeft -= chance;
  }
}

/** Replays real arrivals; each loop over the trace begins at another of its requests, so that no two are alike. */
export function replayed(trace: Trace, random: Random, edges: EdgesMs): (toMs: number) => TraceRange {
  let next = Math.floor(random() * trace.atMs.length);
  let offsetMs = -trace.atMs[next]!;
  return toMs => {
    const first = next;
    let count = 0;
    while (offsetMs + trace.atMs[next]! < toMs) {
      count++;
      next++;
      if (next === trace.atMs.length) {
        next = 0;
        offsetMs += trace.lengthMs;
      }
    }
    return { count, slow: conditions => slowIn(trace, random, conditions, edges, first, count) };
  };
}

export interface TraceRange {
  readonly count: number;
  /** Requests of the range beyond the edges, each by its own size. */
  readonly slow: (conditions: Conditions) => { warning: number; critical: number };
}

function slowIn(
  { context, generated }: Trace,
  random: Random,
  { latency, slow }: Conditions,
  edges: EdgesMs,
  first: number,
  count: number,
): { warning: number; critical: number } {
  if (latency?.kind !== 'tokens') {
    const warning = binomial(random, count, slow.warning);
    return { warning, critical: warning > 0 ? binomial(random, warning, slow.critical / slow.warning) : 0 };
  }
  let warning = 0;
  let critical = 0;
  for (let i = 0; i < count; i++) {
    const at = (first + i) % context.length;
    const u = random();
    if (u < exceedsTokens(latency, edges.warning, context[at]!, generated[at]!)) warning++;
    if (u < exceedsTokens(latency, edges.critical, context[at]!, generated[at]!)) critical++;
  }
  return { warning, critical };
}
