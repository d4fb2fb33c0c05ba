import type { Observation } from '../types.ts';
import { type Gains, gainsByBadness, totalGains } from './gains.ts';

/**
 * Evidence that a degraded model is good again: the wealth of a bet against "the mean badness is still at least
 * `allowedBad`", as a mixture over how good it may have become. For alternative s one observation of badness y
 * multiplies the wealth by 1 + (1 − s)·(q0 − y)/(1 − q0), which has mean at most 1 while the model is still bad. So
 * the wealth ever reaches 1000 with a probability of at most 1/1000 (Ville's inequality), however often one looks.
 */
export const recoveredAt = Math.log(1000);

/** ln of the wealth of each bet, brought up to date in place; 0 at the start. */
export type Wealth = number[];

/** Mean badness after the recovery, as multiples of what is allowed. */
const multiples = [0.05, 0.2, 0.4, 0.6, 0.8];

export const noRecovery = (): Wealth => multiples.map(() => 0);

export function accumulateRecovery(
  wealth: Wealth,
  observations: readonly Observation[],
  allowedBad: number,
): void {
  if (observations.length === 0) return;
  const gained = totalGains(gainsOf(allowedBad), observations);
  for (let k = 0; k < wealth.length; k++) wealth[k]! += gained[k]!;
}

const known = new Map<number, Gains>();

function gainsOf(allowedBad: number): Gains {
  const found = known.get(allowedBad);
  if (found) return found;
  const gains = gainsByBadness(badness =>
    multiples.map(multiple => Math.log1p(((1 - multiple) * (allowedBad - badness)) / (1 - allowedBad))),
  );
  known.set(allowedBad, gains);
  return gains;
}

/** ln of the mean of the bets' wealth, without overflow. */
export function logWealth(wealth: Wealth): number {
  const highest = Math.max(...wealth);
  let sum = 0;
  for (let k = 0; k < wealth.length; k++) sum += Math.exp(wealth[k]! - highest);
  return highest + Math.log(sum / wealth.length);
}

/** A bet that lost this much starts again: the model was still bad then, which says nothing about now. */
export const isLost = (wealth: Wealth) => logWealth(wealth) < -recoveredAt;
