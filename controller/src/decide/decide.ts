import type { Route } from '@relaycore/rules';
import type { Incident } from '../assess/incident.ts';
import type { Assessment, Decision, ProbeResult, RouteState } from '../types.ts';
import { decideFailedOver, decideProving } from './failback.ts';
import { decidePrimary } from './failover.ts';
import { hold } from './words.ts';

/** Everything a decision rests on; nothing else is looked at. */
export interface Situation {
  readonly route: Route;
  readonly state: RouteState;
  readonly assessments: ReadonlyMap<string, Assessment>;
  readonly probes: ReadonlyMap<string, ProbeResult>;
  /** Models that went critical together; their routes stay where they are. */
  readonly incident?: Incident;
  readonly now: number;
  /** A probe or an assessment older than this vouches for nobody. */
  readonly freshMs: number;
}

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
