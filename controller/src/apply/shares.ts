/*
 * Shares in the whole numbers that a gateway can hold. Whoever has a share keeps at least 1: a canary that gets
 * nothing would never prove anything.
 */

/**
 * The shares as whole numbers from 0 to `highest`, in proportions as close as they can be: whole percents are exact
 * from 100 on.
 */
export function scaledTo(highest: number, shares: readonly number[]): readonly number[] {
  const largest = Math.max(...shares);
  if (largest === 0) return shares;
  let best: { readonly scaled: readonly number[]; readonly error: number } | undefined;
  for (let top = highest; top >= 1; top--) {
    const scaled = shares.map(share => (share === 0 ? 0 : Math.max(1, Math.round((share / largest) * top))));
    const error = worstError(scaled, shares);
    if (!best || error < best.error - 1e-9) best = { scaled, error };
  }
  return best!.scaled;
}

/** Whole numbers that add up to `sum`, by largest remainder; all zero where nobody has a share. */
export function apportioned(sum: number, shares: readonly number[]): readonly number[] {
  const total = sumOf(shares);
  if (total === 0) return shares;
  const exact = shares.map(share => (share / total) * sum);
  const whole = exact.map(value => (value === 0 ? 0 : Math.max(1, Math.floor(value + 1e-9))));
  let left = sum - sumOf(whole);
  while (left !== 0) {
    const step = Math.sign(left);
    const need = whole.map((value, i) =>
      value > (step > 0 ? 0 : 1) ? step * (exact[i]! - value) : -Infinity,
    );
    whole[need.indexOf(Math.max(...need))]! += step;
    left -= step;
  }
  return whole;
}

export const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

/** The largest relative error of a share. */
function worstError(scaled: readonly number[], shares: readonly number[]): number {
  const [sum, total] = [sumOf(scaled), sumOf(shares)];
  return Math.max(
    ...shares.map((share, i) => (share === 0 ? 0 : Math.abs(scaled[i]! / sum / (share / total) - 1))),
  );
}
