/** Which target a request goes to, and which ones it goes to next. Pure, and linear in the number of targets. */

import { hash } from 'node:crypto';
import type { Weights } from './state.ts';

interface Named {
  readonly model: string;
}

/**
 * A target by weight: at random, or the same one for the same `sticky` key as long as its weight allows.
 *
 * @param random a number in [0, 1)
 */
export function pickTarget<T extends Named>(
  targets: readonly T[],
  weights: Weights,
  random: () => number,
  sticky?: string | undefined,
): T {
  const open = targets.filter(target => weightOf(target, weights) > 0);
  const picked =
    sticky === undefined ? pickByChance(open, weights, random()) : pickByKey(open, weights, sticky);
  if (!picked)
    throw new Error(`no target has a weight; targets: ${targets.map(target => target.model).join(', ')}`);
  return picked;
}

/** The picked target, then the others that have a weight, then those without one, each in list order. */
export function attemptOrder<T extends Named>(
  picked: T,
  targets: readonly T[],
  weights: Weights,
): readonly T[] {
  const others = targets.filter(target => target !== picked);
  return [
    picked,
    ...others.filter(target => weightOf(target, weights) > 0),
    ...others.filter(target => weightOf(target, weights) === 0),
  ];
}

function pickByChance<T extends Named>(open: readonly T[], weights: Weights, chance: number): T | undefined {
  const total = open.reduce((sum, target) => sum + weightOf(target, weights), 0);
  let left = chance * total;
  for (const target of open) {
    left -= weightOf(target, weights);
    if (left < 0) return target;
  }
  return open.at(-1);
}

/**
 * Weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005): each
 * target draws an exponential time with its weight as rate, the earliest wins. When one weight changes, only keys
 * that come from or go to that target move.
 */
function pickByKey<T extends Named>(open: readonly T[], weights: Weights, key: string): T | undefined {
  let earliest: T | undefined;
  let earliestTime = Number.POSITIVE_INFINITY;
  for (const target of open) {
    const time = -Math.log(uniform(key, target.model)) / weightOf(target, weights);
    if (time >= earliestTime) continue;
    earliest = target;
    earliestTime = time;
  }
  return earliest;
}

/** A number in (0, 1) that depends on nothing but the names, so that every instance of a gateway agrees. */
function uniform(key: string, model: string): number {
  const bits = hash('sha256', `${key}\0${model}`, 'buffer').readUIntBE(0, 6);
  return (bits + 0.5) / 2 ** 48;
}

function weightOf(target: Named, weights: Weights): number {
  return weights[target.model] ?? 0;
}
