import type { Policy } from '@relaycore/rules';
import type { Assessment } from '../types.ts';

/** Many models that went critical together: one cause, which moving their routes would not mend. */
export interface Incident {
  /** When the first of them went critical. */
  readonly since: number;
  readonly models: ReadonlySet<string>;
}

/**
 * The largest group of standing critical verdicts that began within the policy's window of each other, if it is large
 * enough. It lasts while that many of them stand.
 */
export function incidentOf(
  assessments: ReadonlyMap<string, Assessment>,
  { withinMs, modelsPercent, minimumModels }: Policy['incidents'],
): Incident | undefined {
  const critical = [...assessments.values()]
    .flatMap(({ model, verdict }) =>
      verdict.kind === 'degraded' && verdict.level === 'critical' ? { model, since: verdict.since } : [],
    )
    .sort((a, b) => a.since - b.since);
  const enough = Math.max(minimumModels, (modelsPercent / 100) * assessments.size);
  let best: { from: number; until: number } = { from: 0, until: 0 };
  let from = 0;
  for (let until = 1; until <= critical.length; until++) {
    while (critical[until - 1]!.since - critical[from]!.since > withinMs) from++;
    if (until - from > best.until - best.from) best = { from, until };
  }
  const group = critical.slice(best.from, best.until);
  if (group.length < enough) return undefined;
  return { since: group[0]!.since, models: new Set(group.map(({ model }) => model)) };
}
