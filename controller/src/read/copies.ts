import { type CounterMeaning, meaningOf } from '@relaycore/rules';
import type { Increment } from './increments.ts';

/**
 * Requests by model that a gateway sent a second time for comparison, whose answers nobody gets: shadow traffic is
 * evidence about a model, but no caller's.
 */
export function copiesOf(
  grown: readonly Increment[],
  idOf: (series: CounterMeaning) => string | undefined,
): ReadonlyMap<string, number> {
  const copies = new Map<string, number>();
  for (const increment of grown) {
    if (increment.labels.shadow !== 'true' || increment.delta === 0) continue;
    const meaning = meaningOf(increment);
    const id = meaning?.part.kind === 'outcome' ? idOf(meaning) : undefined;
    if (id !== undefined) copies.set(id, (copies.get(id) ?? 0) + increment.delta);
  }
  return copies;
}
