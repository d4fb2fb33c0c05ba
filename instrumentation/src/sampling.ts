import { performance } from 'node:perf_hooks';
import type { Random } from './scores.ts';

/** What becomes of an answer: it is drawn, it is not, or it would have been but for the cap. */
export type Draw = 'drawn' | 'passed_over' | 'rate_limited';

export interface SamplingOptions {
  /** The share of answers that is drawn, in (0, 1]. */
  readonly sample: number;
  readonly maximumPerSecond: number;
  readonly random: Random;
  /** In milliseconds, never back. Default: that of the process. */
  readonly clockMs?: () => number;
}

/** Draws answers at random, and no more than so many in any one second. */
export function createSampling(options: SamplingOptions): () => Draw {
  const { sample, maximumPerSecond, random, clockMs = () => performance.now() } = options;
  let secondBeganMs = Number.NEGATIVE_INFINITY;
  let drawn = 0;
  return () => {
    // First, because most answers are passed over and need no clock.
    if (sample < 1 && random() >= sample) return 'passed_over';
    const nowMs = clockMs();
    if (nowMs - secondBeganMs >= 1_000) {
      secondBeganMs = nowMs;
      drawn = 0;
    }
    if (drawn >= maximumPerSecond) return 'rate_limited';
    drawn += 1;
    return 'drawn';
  };
}

/** What is wrong with these, a line each; empty where nothing is. */
export function problemsOfSampling(options: {
  readonly sample: number;
  readonly maximumPerSecond: number;
}): string[] {
  const { sample, maximumPerSecond } = options;
  const problems: string[] = [];
  if (!(sample > 0 && sample <= 1)) problems.push(`- sample is ${sample}: give a share above 0, up to 1`);
  if (!(maximumPerSecond >= 1)) problems.push(`- maximumPerSecond is ${maximumPerSecond}: give 1 or more`);
  return problems;
}
