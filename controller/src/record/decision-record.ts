import type { Change, Readings, RouteState, SignalAssessment } from '../types.ts';
import { ruleVersion } from './model-states.ts';
import { controllerActor, type NewSwitchEvent } from './switch-events.ts';

/** A change as the history keeps it: with everything that it rests on. */
export function switchEvent(
  before: RouteState,
  decision: Change,
  readings: Readings,
  at: number,
): NewSwitchEvent {
  const { kind, from, to, reason, words, signal, evidence, alternatives, next } = decision;
  return {
    route: before.route,
    generation: before.generation + 1,
    kind,
    from,
    to,
    reason: words,
    actor: controllerActor,
    weights: next.weights,
    at,
    ...(signal && { signal }),
    ...(evidence && !evidence.resource && { score: scoreOf(evidence) }),
    decision: {
      kind,
      reason,
      words,
      rule_version: ruleVersion,
      evaluated_at: readings.at,
      generation: { before: before.generation, after: before.generation + 1 },
      phase: { before: before.phase, after: next.phase },
      weights: { before: before.weights, after: next.weights },
      queries: readings.queries,
      readings: Object.fromEntries([from, to].map(model => [model, readings.models.get(model) ?? null])),
      evidence: evidence ?? null,
      alternatives: alternatives ?? [],
      backoff: next.backoff,
    },
  };
}

/** 1 − mean badness at critical, in [0, 1]. */
function scoreOf({ levels: { critical } }: SignalAssessment): number {
  const { requests, bad } = critical.counts;
  return requests === 0 ? 0 : Math.min(1, Math.max(0, 1 - bad / requests));
}
