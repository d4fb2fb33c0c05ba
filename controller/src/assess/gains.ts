import type { Observation } from '../types.ts';

/** What one observation of a badness is worth to each bet of a mixture, in nats. */
export type Gains = (badness: number) => readonly number[];

/** Scores come in tenths and failures whole, so that few different values of badness ever arrive. */
const mostKept = 64;

/**
 * Remembers what it worked out: a logarithm for each model, score and bet of every tick would be most of the work. Of
 * so few values the plain search is faster than a hash of each.
 */
export function gainsByBadness(work: Gains): Gains {
  const values: number[] = [];
  const kept: (readonly number[])[] = [];
  return badness => {
    for (let i = 0; i < values.length; i++) if (values[i] === badness) return kept[i]!;
    const gains = work(badness);
    if (kept.length < mostKept) {
      values.push(badness);
      kept.push(gains);
    }
    return gains;
  };
}

/** More bets than any mixture has. */
const scratch = new Float64Array(16);

/**
 * The sum over all observations, bet by bet, valid until the next call: thousands of models a tick would leave as many
 * arrays behind. Counted loops, here and beside: iterators are a third of a tick's time.
 */
export function totalGains(gains: Gains, observations: readonly Observation[]): Readonly<Float64Array> {
  scratch.fill(0);
  for (let i = 0; i < observations.length; i++) {
    const { badness, count } = observations[i]!;
    const each = gains(badness);
    for (let k = 0; k < each.length; k++) scratch[k]! += count * each[k]!;
  }
  return scratch;
}
