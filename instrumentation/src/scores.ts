/** Gives a number in [0, 1), like `Math.random`. */
export type Random = () => number;

/**
 * Rounds a score in [0, 1] to a whole number of steps, up or down at random with the probabilities that keep the mean:
 * 0.87 with ten steps becomes 9 in 7 of 10 cases and 8 in 3. A histogram with its edges at the steps then holds an
 * unbiased mean in its counts alone (stochastic rounding), where plain buckets would be off by up to half a step.
 */
export function roundKeepingMean(score: number, steps: number, random: Random): number {
  const scaled = score * steps;
  const lower = Math.floor(scaled);
  // Most scores are 0 or 1 and need no random number, each of which is an object on V8's heap.
  return scaled === lower || random() >= scaled - lower ? lower : lower + 1;
}

/** A rating on the scale min..max as a score in [0, 1]; undefined where the scale or the rating is none. */
export function normalizeRating(rating: number, min: number, max: number): number | undefined {
  if (!Number.isFinite(min) || !Number.isFinite(max) || !(max > min)) return undefined;
  const score = (rating - min) / (max - min);
  return isScore(score) ? score : undefined;
}

/** False for NaN and for what is no number at all. */
export function isScore(score: unknown): score is number {
  return typeof score === 'number' && score >= 0 && score <= 1;
}
