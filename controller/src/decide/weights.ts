import type { Weights } from '../types.ts';

/** Weights are basis points and sum to 10000, so that a share is exact and never all of them are zero. */
const fullWeight = 10_000;

export function allTo(model: string, targets: readonly string[]): Weights {
  return Object.fromEntries(targets.map(target => [target, target === model ? fullWeight : 0]));
}

/** `percent` of the traffic to one target, the rest to another. */
export function share(model: string, percent: number, rest: string, targets: readonly string[]): Weights {
  const part = Math.round((percent / 100) * fullWeight);
  return { ...allTo(rest, targets), [model]: part, [rest]: fullWeight - part };
}
