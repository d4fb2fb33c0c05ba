import type { Route } from '@relaycore/rules';
import { type Change, type Decision, isChange, type Proposal } from '../types.ts';

/*
 * Where the mode leaves a change to a person, what is decided becomes a proposal: said once, open for as long as the
 * same is decided. Times are of the clock, as a person reads it.
 */

/** What an open proposal is held against. */
export interface Following {
  readonly route: Route;
  readonly decision: Decision;
  readonly now: number;
}

/** How an open proposal ends by itself; undefined while it stands. */
export function endOf(
  open: Proposal,
  { route, decision, now }: Following,
): 'withdrawn' | 'superseded' | 'expired' | undefined {
  if (open.mode !== route.mode) return 'superseded';
  const expired = open.expiresAt !== undefined && now >= open.expiresAt ? 'expired' : undefined;
  // Nobody can look, so nothing speaks against it.
  if (decision.reason === 'unknown') return expired;
  if (!isChange(decision)) return 'withdrawn';
  return isSameChange(open, decision) ? expired : 'superseded';
}

/**
 * Whether a change is proposed (again) after a person said no, or did not answer. No answer takes new evidence: a later
 * firing, or that it was not wanted in between.
 *
 * @param decidedSince since when this has been decided without a break
 */
export function mayPropose(
  change: Change,
  refused: Proposal | undefined,
  { route, now }: Following,
  decidedSince: number,
): boolean {
  if (!refused) return true;
  const closedAt = refused.closedAt ?? now;
  if (refused.status === 'rejected') return now >= closedAt + route.approval.rejectedMs;
  const firedAt = change.evidence?.levels.critical.firedAt ?? 0;
  return Math.max(firedAt, decidedSince) > closedAt;
}

/** Until when a person is waited for. Only an answer is waited for: what was observed or advised stands while it is so. */
export function expiryOf({ mode, approval }: Route, now: number): number | undefined {
  return mode === 'approve' ? now + approval.expiresMs : undefined;
}

export function isSameChange(
  one: Pick<Proposal, 'kind' | 'from' | 'to'>,
  other: Pick<Proposal, 'kind' | 'from' | 'to'>,
): boolean {
  return one.kind === other.kind && one.from === other.from && one.to === other.to;
}
