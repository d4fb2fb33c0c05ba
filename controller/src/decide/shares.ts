/*
 * Shares of a route within bounds, in basis points. Plain arithmetic: what the bounds and scores mean is said in
 * `balance.ts`.
 */

/** What one target deserves in proportion to the others, and what it may get. */
export interface Claim {
  readonly score: number;
  readonly least: number;
  readonly most: number;
}

/**
 * `total` divided in proportion to the scores, each within its bounds: the one multiple of the scores that adds up
 * once it is cut to the bounds. Undefined where the bounds leave none.
 */
export function divided(total: number, claims: readonly Claim[]): readonly number[] | undefined {
  const best = Math.max(...claims.map(({ score }) => score));
  // Next to nothing is enough to come last.
  const scores = claims.map(({ score }) => Math.max(score / best, 1e-6));
  const at = (multiple: number) =>
    claims.map(({ least, most }, i) => Math.min(most, Math.max(least, multiple * scores[i]!)));
  let [low, high] = [0, total * 1e6];
  if (sum(at(low)) > total + tolerance || sum(at(high)) < total - tolerance) return undefined;
  for (let round = 0; round < 100; round++) {
    const middle = (low + high) / 2;
    if (sum(at(middle)) < total) low = middle;
    else high = middle;
  }
  return at(high);
}

/** What binary fractions do to a sum of basis points. */
const tolerance = 1e-6;

/**
 * A part of the way from here to there, no share by more than `step`, in whole numbers by largest remainder: nobody
 * gains who should not, and zero is zero.
 */
export function towards(
  here: readonly number[],
  there: readonly number[],
  part: number,
  step: number,
): readonly number[] {
  const gaps = here.map((share, i) => there[i]! - share);
  const largest = Math.max(...gaps.map(Math.abs));
  if (largest < tolerance) return here;
  const scale = Math.min(part, step / largest);
  const exact = here.map((share, i) => share + scale * gaps[i]!);
  const whole = exact.map(share => Math.floor(share + tolerance));
  const fractions = exact.map((share, i) => share - whole[i]!);
  const byFraction = [...here.keys()].sort((a, b) => fractions[b]! - fractions[a]!);
  for (const i of byFraction.slice(0, sum(here) - sum(whole))) whole[i]! += 1;
  return whole;
}

export const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
