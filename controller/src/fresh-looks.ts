import type { Policy } from '@relaycore/rules';
import { hold } from './decide/words.ts';
import type { Plan } from './plan.ts';
import type { Prober } from './read/probes.ts';
import { isChange, type ProbeResult } from './types.ts';

/*
 * A target that passed its probe a while ago may have died since. So it is looked at once more right before a route is
 * moved to it. Nobody waits for that but the route itself, and it no longer than one golden request may take.
 */

/** The deadline of a request ends the request first, so that a target that hangs has failed by then. */
const marginMs = 500;

export interface FreshLooks {
  /** Whether the last look at a target is too long ago to move a route to it. */
  isDue(model: string, at: number): boolean;
  /** Looks at it; resolves with the look, or when it has been waited for long enough. Looks are shared. */
  look(model: string): Promise<void>;
}

export function createFreshLooks(policy: Policy, prober: Prober): FreshLooks {
  return {
    isDue(model, at) {
      if (policy.models[model]?.endpoint === undefined) return false;
      const last = prober.results().get(model);
      return last === undefined || at - last.at > policy.probes.freshMs;
    },
    async look(name) {
      const model = policy.models[name]!;
      const { promise: waited, resolve: giveUp } = Promise.withResolvers<void>();
      const timer = setTimeout(giveUp, model.probing.timeoutMs + marginMs);
      await Promise.race([prober.probe(model), waited]).finally(() => clearTimeout(timer));
    },
  };
}

/** The target that a plan moves its route to, where it has no traffic yet whose evidence would speak for it. */
export function newTarget({ decision, change }: Plan, weights: Readonly<Record<string, number>>) {
  if (!change || !isChange(decision)) return undefined;
  if (decision.kind !== 'failover' && decision.kind !== 'probe') return undefined;
  return (weights[decision.to] ?? 0) > 0 ? undefined : decision.to;
}

/** What is decided while the look is under way. */
export function untilLookedAt({ decision }: Plan, last: ProbeResult | undefined, at: number): Plan {
  if (!isChange(decision)) return { decision };
  const { kind, to, words, evidence, alternatives } = decision;
  const before = last
    ? `was last looked at ${Math.round((at - last.at) / 1000)} s ago`
    : 'has 0 looks so far';
  return {
    decision: hold(
      'looking_first',
      `${to} ${before} and is looked at again first; if it passes, ${kind} to ${to}: ${words}`,
      { ...(evidence && { evidence }), ...(alternatives && { alternatives }) },
    ),
  };
}
