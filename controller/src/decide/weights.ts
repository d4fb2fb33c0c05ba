import type { Weights } from '../types.ts';

/** Weights are basis points and sum to 10000, so that a share is exact and never all of them are zero. */
export const fullWeight = 10_000;

export function allTo(model: string, targets: readonly string[]): Weights {
  return Object.fromEntries(targets.map(target => [target, target === model ? fullWeight : 0]));
}

/** At least `percent` of the traffic to one target; the others keep the rest in the proportions that they have. */
export function withShare(model: string, percent: number, now: Weights, targets: readonly string[]): Weights {
  const part = Math.max(now[model] ?? 0, Math.round((percent / 100) * fullWeight));
  const others = targets.filter(target => target !== model && (now[target] ?? 0) > 0);
  const before = others.reduce((sum, target) => sum + now[target]!, 0);
  const rest = fullWeight - part;
  const weights: Record<string, number> = { ...allTo(model, targets), [model]: part };
  for (const target of others) weights[target] = Math.floor((now[target]! / before) * rest);
  const [largest] = [...others].sort((a, b) => now[b]! - now[a]!);
  // What rounding down left over.
  const sum = Object.values(weights).reduce((total, weight) => total + weight, 0);
  weights[largest ?? model]! += fullWeight - sum;
  return weights;
}
