import type { FailbackSteps } from '@relaycore/rules';
import type { Backoff, Cause } from '../types.ts';
import type { Situation } from './situation.ts';

/* How long a route waits before it tries its primary again. */

/** How a route comes back that was left for this cause. */
export const stepsAfter = ({ failback }: Situation['route'], { kind }: Cause) =>
  kind === undefined ? failback : failback.causes[kind];

/** A failover soon after the last return makes the next wait twice as long; a stable stretch forgets. */
export function backoffAfterFailover({ route, state, now }: Situation): Backoff {
  const { level, returnedAt } = state.backoff;
  if (returnedAt === undefined) return { level: 0 };
  const stable = now - returnedAt > 4 * backoffMs(route.failback, level);
  return { level: stable ? 0 : level + 1, returnedAt };
}

/** base · 2^level, capped. */
export function backoffMs(failback: FailbackSteps, level: number): number {
  return Math.min(failback.backoffMs * 2 ** level, failback.backoffCapMs);
}
