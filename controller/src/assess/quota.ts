import type { Reading } from '../types.ts';

/** Failures of late, and those of them that a spent quota refused. Kept only of models that have had such. */
export interface OverQuota {
  at: number;
  bad: number;
  overQuota: number;
}

const halfLifeMs = 60_000;
/** Fewer than this many refusals are over and forgotten. */
const tooFew = 0.5;

/** One tick later; undefined where no quota is spent. Half of what was counted is forgotten in every minute. */
export function addToOverQuota(
  before: OverQuota | undefined,
  at: number,
  reading: Extract<Reading, { kind: 'counts' }>,
): OverQuota | undefined {
  if (!before && reading.overQuota === undefined) return undefined;
  const kept = before ? 2 ** (-Math.max(0, at - before.at) / halfLifeMs) : 0;
  const bad = reading.levels.critical.reduce((sum, { badness, count }) => sum + badness * count, 0);
  const next = {
    at,
    bad: (before?.bad ?? 0) * kept + bad,
    overQuota: (before?.overQuota ?? 0) * kept + (reading.overQuota ?? 0),
  };
  return next.overQuota < tooFew ? undefined : next;
}

export const overQuotaShare = ({ bad, overQuota }: OverQuota) => Math.min(1, overQuota / bad);
