import type { Decision } from '../types.ts';
import { decideFailedOver, decideProving } from './failback.ts';
import { decidePrimary } from './failover.ts';
import type { Situation } from './situation.ts';
import { hold } from './words.ts';

/** One route, one tick: what to do, and why, also when there is nothing to do. */
export function decide(situation: Situation): Decision {
  const { state, now } = situation;
  const { override } = state;
  if (override && now < override.expiresAt)
    return hold(
      'pinned',
      `pinned to ${override.target} by ${override.actor} until ${new Date(override.expiresAt).toISOString()}: ${override.reason}`,
    );
  switch (state.phase.kind) {
    case 'primary':
      return decidePrimary(situation);
    case 'failed_over':
      return decideFailedOver(situation, state.phase);
    case 'probing':
    case 'ramping':
      return decideProving(situation, state.phase);
  }
}
