import type { Incident } from '../assess/incident.ts';
import type {
  Alternative,
  Backoff,
  Cause,
  Change,
  Decision,
  ReasonCode,
  SignalAssessment,
  Weights,
} from '../types.ts';
import { backoffAfterFailover } from './backoff.ts';
import { weigh } from './backups.ts';
import type { Lately, Situation } from './situation.ts';
import { describeSpread, spread } from './spread.ts';
import { isCritical, isRecovering, signalOf, troubleSince, verdictOf } from './verdicts.ts';
import { allTo } from './weights.ts';
import { hold, measured, seen } from './words.ts';

/** The primary serves everything: leave it only for a critical verdict, and only for a backup that is vouched for. */
export function decidePrimary(situation: Situation): Decision {
  const primary = situation.route.targets[0];
  const verdict = verdictOf(situation, primary);
  if (verdict.kind === 'unknown') return hold('unknown', `${primary} is unknown: ${verdict.reason}`);
  if (verdict.kind === 'healthy')
    return hold('healthy', `${primary} is healthy: ${seen(situation.assessments.get(primary)!)}`);
  if (verdict.level === 'warning') {
    const evidence = signalOf(situation.assessments.get(primary)!, verdict.signal);
    return hold('warning', `${primary}: ${measured(evidence, 'warning')}`, { evidence });
  }
  const trouble = troubleSince(situation, primary, situation.state.phase.since);
  if (!trouble) return holdOldVerdict(situation, primary, verdict.signal);
  if (isRecovering(trouble)) return holdRecovering(primary, trouble);
  return failover(situation, {
    leaving: primary,
    reason: 'degraded',
    evidence: trouble,
    backoff: backoffAfterFailover(situation),
  });
}

/** It was put in charge though a verdict stood, by a person or for want of a better one: only new evidence counts. */
function holdOldVerdict(situation: Situation, model: string, signal: SignalAssessment['signal']): Decision {
  const evidence = signalOf(situation.assessments.get(model)!, signal);
  return hold(
    'old_verdict',
    `${model} serves; its verdict is from before it was put in charge, and nothing new speaks against it (${measured(evidence, 'critical')})`,
    { evidence },
  );
}

function holdRecovering(model: string, evidence: SignalAssessment): Decision {
  const { recoveryRise } = evidence.levels.critical;
  return hold(
    'recovering',
    `${model} serves and is recovering, with ${recoveryRise.toFixed(1)} nats for it lately (${measured(evidence, 'critical')})`,
    { evidence },
  );
}

export interface Leaving {
  readonly leaving: string;
  readonly reason: ReasonCode;
  readonly evidence: SignalAssessment;
  readonly backoff: Backoff;
  /** Serves most of the traffic already: taken when nobody better is vouched for and nothing critical stands against it. */
  readonly serving?: string;
}

/** All traffic to the best vetted target that is not degraded; when there is none, the route stays where it is. */
export function failover(situation: Situation, leave: Leaving): Decision {
  const { leaving, reason, evidence, backoff, serving } = leave;
  if (situation.incident?.models.has(leaving)) return holdIncident(situation.incident, leave);
  const alternatives = weigh(situation, leaving, serving);
  const chosen = alternatives.find(alternative => alternative.chosen);
  const why = `${leaving}: ${measured(evidence, 'critical')}`;
  if (!chosen) return stayWith(leave, alternatives);
  const helpers = alternatives.filter(other => other !== chosen && mayHelp(other)).map(({ model }) => model);
  const shares = spread(situation, [chosen.model, ...helpers], leaving);
  const words = `${chosen.model} takes over (${chosen.why})${describeSpread(shares, leaving)}`;
  const { lately } = situation;
  // Back to the one that serves already is no new risk.
  if (lately && chosen.model !== serving && isTooMany(lately, leaving))
    return hold(
      'too_many_switches',
      `${why}; it keeps serving for now, because ${lately.left.size} other models were left within ${lately.withinMs / 1000} s; else ${words}`,
      { evidence, alternatives },
    );
  return {
    kind: 'failover',
    reason,
    words: `${why}; ${words}`,
    signal: evidence.signal,
    evidence,
    alternatives,
    from: leaving,
    to: chosen.model,
    next: nextAfterFailover(situation, chosen.model, shares.weights, causeOf(evidence, why), backoff),
  };
}

/** Takes what the chosen one has no room for. */
const mayHelp = ({ vetted, verdict }: Alternative) => vetted && verdict.kind !== 'degraded';

/** At least half of the failures were refusals for want of quota: the model itself may be as good as ever. */
function causeOf({ signal, resource, overQuotaShare = 0 }: SignalAssessment, reason: string): Cause {
  const isBuiltIn = signal === 'success' || signal === 'latency';
  if (resource || !isBuiltIn) return { signal, reason, kind: resource ? 'resource' : 'quality' };
  if (signal === 'latency') return { signal, reason, kind: 'latency' };
  return { signal, reason, kind: overQuotaShare >= 0.5 ? 'quota' : 'errors' };
}

function holdIncident({ models, since }: Incident, { leaving, evidence }: Leaving): Decision {
  return hold(
    'incident',
    `${leaving} stays, as one of ${models.size} models that went critical together since ${new Date(since).toISOString()}: one cause, which a switch would not mend (${measured(evidence, 'critical')})`,
    { evidence },
  );
}

/** Counted by model: all routes of one bad model rest on the same evidence. */
const isTooMany = ({ left, atMost }: Lately, leaving: string) => !left.has(leaving) && left.size >= atMost;

function stayWith({ leaving, evidence }: Leaving, alternatives: readonly Alternative[]): Decision {
  const others =
    alternatives.map(({ model, why }) => `${model}: ${why}`).join('; ') || 'the route has no other target';
  const words = `${leaving}: ${measured(evidence, 'critical')}; it keeps serving, because no other target can take over (${others})`;
  return alternatives.every(({ verdict }) => isCritical(verdict))
    ? { kind: 'exhausted', reason: 'all_degraded', words, evidence, alternatives, signal: evidence.signal }
    : hold('no_vetted_backup', words, { evidence, alternatives });
}

function nextAfterFailover(
  { route, now }: Situation,
  to: string,
  weights: Weights,
  cause: Cause,
  backoff: Backoff,
): Change['next'] {
  if (to === route.targets[0])
    return {
      weights: allTo(to, route.targets),
      backoff: { ...backoff, returnedAt: now },
      phase: { kind: 'primary', since: now },
    };
  return { weights, backoff, phase: { kind: 'failed_over', to, since: now, cause } };
}
