import type { FailbackSteps } from '@relaycore/rules';
import type { Incident } from '../assess/incident.ts';
import type {
  Alternative,
  Assessment,
  Backoff,
  Cause,
  Change,
  Decision,
  LevelAssessment,
  ProbeResult,
  ReasonCode,
  SignalAssessment,
  Verdict,
  Weights,
} from '../types.ts';
import type { Lately, Situation } from './situation.ts';
import { describeSpread, spread } from './spread.ts';
import { allTo } from './weights.ts';
import { describeVerdict, hold, measured, seen } from './words.ts';

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

/**
 * What came last speaks for the model: about five good requests in a row at the spec's thresholds. A route that could
 * not be moved in time, because nobody could take over, is not moved once the trouble is over; while it goes on, bad
 * requests soon say so again.
 */
export const isRecovering = ({ levels: { critical } }: SignalAssessment) => critical.recoveryRise >= 0.1;

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

/**
 * Every other target in order of priority. Chosen is the one that serves already, else the first vetted one that is not
 * degraded, else the first vetted one with a warning, else the first whose verdict has outlived its evidence.
 */
function weigh(situation: Situation, leaving: string, serving: string | undefined): Alternative[] {
  const candidates = situation.route.targets
    .filter(model => model !== leaving)
    .map(model => {
      const verdict = verdictOf(situation, model);
      return { model, verdict, ...(outlived(situation, model) ?? vet(situation, model, verdict)) };
    });
  const usable = candidates.filter(({ vetted, verdict }) => vetted && !isCritical(verdict));
  const chosen =
    usable.find(({ model, verdict }) => model === serving && verdict.kind !== 'degraded') ??
    usable.find(({ verdict }) => verdict.kind !== 'degraded') ??
    usable[0] ??
    candidates.find(({ model, verdict }) => model === serving && !isCritical(verdict)) ??
    candidates.find(({ vetted }) => vetted);
  return candidates.map(candidate => ({ ...candidate, chosen: candidate === chosen }));
}

/**
 * A drained target keeps its critical verdict for want of traffic that could lift it. After the wait that any target
 * gets before it is tried again, a probe that passes makes it better than one that fails now.
 */
function outlived(
  { route, state, assessments, probes, now, freshMs }: Situation,
  model: string,
): { vetted: true; why: string } | undefined {
  const standing = assessments.get(model)?.signals.filter(({ levels }) => levels.critical.stands) ?? [];
  const probe = probes.get(model);
  if (standing.length === 0 || (state.weights[model] ?? 0) > 0) return undefined;
  if (probe?.kind !== 'passed' || !isFresh(probe, now, freshMs) || settlesInMs(probe, now) > 0)
    return undefined;
  const ageMs = now - Math.max(...standing.map(({ levels }) => levels.critical.firedAt!));
  if (ageMs <= backoffMs(route.failback, state.backoff.level)) return undefined;
  const minutes = Math.round(ageMs / 60_000);
  return {
    vetted: true,
    why: `${standing[0]!.signal} critical ${minutes} min ago and no traffic since, its probe passed in ${Math.round(probe.durationMs)} ms`,
  };
}

/**
 * A probe that has just begun to pass again vouches for nobody yet: after an outage of everything the targets come back
 * one by one, and the one that serves may only be a moment behind.
 */
const settleMs = 10_000;

const settlesInMs = ({ recoveredAt }: Extract<ProbeResult, { kind: 'passed' }>, now: number) =>
  recoveredAt === undefined ? 0 : recoveredAt + settleMs - now;

const isFresh = ({ at, vouchesMs }: ProbeResult, now: number, freshMs: number) =>
  now - at <= (vouchesMs ?? freshMs);

/** A target is vouched for by a probe that passed lately, or by evidence from traffic. */
export function vet(
  { probes, now, freshMs }: Situation,
  model: string,
  verdict: Verdict,
): { vetted: boolean; why: string } {
  if (isCritical(verdict)) return { vetted: false, why: describeVerdict(verdict) };
  const probe = probes.get(model);
  if (probe?.kind === 'failed')
    return { vetted: false, why: `its probe failed ${times(probe.failures)}: ${probe.reason}` };
  if (probe && settlesInMs(probe, now) > 0)
    return { vetted: false, why: `its probe passes again, but not yet for ${settleMs / 1000} s` };
  if (probe && isFresh(probe, now, freshMs)) {
    const passed = `its probe passed in ${Math.round(probe.durationMs)} ms`;
    return {
      vetted: true,
      why: verdict.kind === 'unknown' ? passed : `${describeVerdict(verdict)}, ${passed}`,
    };
  }
  if (verdict.kind !== 'unknown') return { vetted: true, why: describeVerdict(verdict) };
  const last = probe ? `; its last probe is ${Math.round((now - probe.at) / 1000)} s old` : '';
  return {
    vetted: false,
    why: `neither a recent probe nor evidence vouches for it (${verdict.reason}${last})`,
  };
}

const times = (count: number) => (count === 1 ? 'once' : `${count} times in a row`);

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

export const isCritical = (verdict: Verdict) => verdict.kind === 'degraded' && verdict.level === 'critical';

export function verdictOf({ assessments }: Situation, model: string): Verdict {
  return assessments.get(model)?.verdict ?? { kind: 'unknown', reason: 'never assessed' };
}

/** A critical verdict that stands and fired after `since`; one from before, which waits for recovery, does not count. */
export function troubleSince(
  { assessments }: Situation,
  model: string,
  since: number,
): SignalAssessment | undefined {
  return assessments.get(model)?.signals.find(({ levels: { critical } }) => firedSince(critical, since));
}

export const firedSince = ({ stands, firedAt }: LevelAssessment, since: number) => stands && firedAt! > since;

export function signalOf(assessment: Assessment, signal: SignalAssessment['signal']): SignalAssessment {
  return assessment.signals.find(assessed => assessed.signal === signal)!;
}
