import type { Decision, Freeze, ReasonCode } from '../types.ts';
import { decideBalanced, decideSpreading } from './balance.ts';
import { decideFailedOver, decideProving } from './failback.ts';
import { decidePrimary } from './failover.ts';
import type { Situation } from './situation.ts';
import { describeDecision, hold } from './words.ts';

/** One route, one tick: what to do, and why, also when there is nothing to do. */
export function decide(situation: Situation): Decision {
  const { override, freeze } = situation.state;
  const decision = decideByItself(situation);
  if (override && situation.now < override.expiresAt)
    return held('pinned', `pinned to ${override.target}`, override, decision);
  if (freeze && situation.now < freeze.expiresAt) return held('frozen', 'frozen', freeze, decision);
  return decision;
}

function decideByItself(situation: Situation): Decision {
  const { phase } = situation.state;
  switch (phase.kind) {
    case 'primary': {
      const decision = decidePrimary(situation);
      return decision.reason === 'healthy' ? decideSpreading(situation, decision) : decision;
    }
    case 'balanced':
      return decideBalanced(situation);
    case 'failed_over':
      return decideFailedOver(situation, phase);
    case 'probing':
    case 'ramping':
      return decideProving(situation, phase);
  }
}

/** A person's hand is on the route. What would be done otherwise is said too: it is what ends with the hand. */
function held(
  reason: ReasonCode,
  what: string,
  { actor, reason: why, expiresAt }: Freeze,
  otherwise: Decision,
): Decision {
  const until = new Date(expiresAt).toISOString();
  return {
    ...hold(reason, `${what} by ${actor} until ${until}: ${why}; otherwise ${describeDecision(otherwise)}`),
    otherwise,
  };
}
