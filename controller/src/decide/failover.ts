import type {
  Alternative,
  Assessment,
  Backoff,
  Cause,
  Change,
  Decision,
  ReasonCode,
  SignalAssessment,
  Verdict,
} from '../types.ts';
import type { Situation } from './decide.ts';
import { allTo } from './weights.ts';
import { describeVerdict, hold, measured } from './words.ts';

/** The primary serves everything: leave it only for a critical verdict, and only for a backup that is vouched for. */
export function decidePrimary(situation: Situation): Decision {
  const primary = situation.route.targets[0];
  const verdict = verdictOf(situation, primary);
  if (verdict.kind === 'unknown') return hold('unknown', `${primary} is unknown: ${verdict.reason}`);
  if (verdict.kind === 'healthy') return hold('healthy', `${primary} is healthy`);
  const evidence = evidenceOf(situation, primary, verdict);
  if (verdict.level === 'warning')
    return hold('warning', `${primary}: ${measured(evidence, 'warning')}`, { evidence });
  return failover(situation, {
    leaving: primary,
    reason: 'degraded',
    evidence,
    backoff: backoffAfterFailover(situation),
  });
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
export function failover(
  situation: Situation,
  { leaving, reason, evidence, backoff, serving }: Leaving,
): Decision {
  const alternatives = weigh(situation, leaving, serving);
  const chosen = alternatives.find(alternative => alternative.chosen);
  const why = `${leaving}: ${measured(evidence, 'critical')}`;
  if (!chosen) {
    const allDegraded = alternatives.every(({ verdict }) => isCritical(verdict));
    const words =
      alternatives.map(({ model, why }) => `${model}: ${why}`).join('; ') || 'the route has no other target';
    const explained = {
      words: `${why}; it keeps serving, because no other target can take over (${words})`,
      evidence,
      alternatives,
    };
    return allDegraded
      ? { kind: 'exhausted', reason: 'all_degraded', ...explained, signal: evidence.signal }
      : hold('no_vetted_backup', explained.words, { evidence, alternatives });
  }
  const cause: Cause = { signal: evidence.signal, reason: why };
  return {
    kind: 'failover',
    reason,
    words: `${why}; ${chosen.model} takes over (${chosen.why})`,
    signal: evidence.signal,
    evidence,
    alternatives,
    from: leaving,
    to: chosen.model,
    next: nextAfterFailover(situation, chosen.model, cause, backoff),
  };
}

function nextAfterFailover(
  { route, now }: Situation,
  to: string,
  cause: Cause,
  backoff: Backoff,
): Change['next'] {
  const weights = allTo(to, route.targets);
  if (to === route.targets[0]) return { weights, backoff, phase: { kind: 'primary', since: now } };
  return { weights, backoff, phase: { kind: 'failed_over', to, since: now, cause } };
}

/** Every other target in order of priority; the first healthy vetted one is chosen, else the first vetted with a warning. */
function weigh(situation: Situation, leaving: string, serving: string | undefined): Alternative[] {
  const candidates = situation.route.targets
    .filter(model => model !== leaving)
    .map(model => {
      const verdict = verdictOf(situation, model);
      return { model, verdict, ...vet(situation, model, verdict) };
    });
  const usable = candidates.filter(({ vetted }) => vetted);
  const chosen =
    usable.find(({ verdict }) => verdict.kind !== 'degraded') ??
    usable[0] ??
    candidates.find(({ model, verdict }) => model === serving && !isCritical(verdict));
  return candidates.map(candidate => ({ ...candidate, chosen: candidate === chosen }));
}

/** A target is vouched for by a probe that passed lately, or by evidence from traffic. */
export function vet(
  { probes, now, freshMs }: Situation,
  model: string,
  verdict: Verdict,
): { vetted: boolean; why: string } {
  if (isCritical(verdict)) return { vetted: false, why: describeVerdict(verdict) };
  const probe = probes.get(model);
  if (probe?.kind === 'failed') return { vetted: false, why: `its probe failed: ${probe.reason}` };
  if (probe && now - probe.at <= freshMs) {
    const passed = `its probe passed in ${Math.round(probe.durationMs)} ms`;
    return {
      vetted: true,
      why: verdict.kind === 'unknown' ? passed : `${describeVerdict(verdict)}, ${passed}`,
    };
  }
  if (verdict.kind !== 'unknown') return { vetted: true, why: describeVerdict(verdict) };
  return { vetted: false, why: `neither a recent probe nor evidence vouches for it (${verdict.reason})` };
}

/** A failover soon after the last return makes the next wait twice as long; a stable stretch forgets. */
function backoffAfterFailover({ route, state, now }: Situation): Backoff {
  const { level, returnedAt } = state.backoff;
  if (returnedAt === undefined) return { level: 0 };
  const stable = now - returnedAt > 4 * backoffMs(route.failback, level);
  return { level: stable ? 0 : level + 1, returnedAt };
}

/** base · 2^level, capped. */
export function backoffMs(failback: Situation['route']['failback'], level: number): number {
  return Math.min(failback.backoffMs * 2 ** level, failback.backoffCapMs);
}

export const isCritical = (verdict: Verdict) => verdict.kind === 'degraded' && verdict.level === 'critical';

export function verdictOf({ assessments }: Situation, model: string): Verdict {
  return assessments.get(model)?.verdict ?? { kind: 'unknown', reason: 'never assessed' };
}

/** The signal behind a degraded verdict. */
export function evidenceOf(
  { assessments }: Situation,
  model: string,
  verdict: Extract<Verdict, { kind: 'degraded' }>,
): SignalAssessment {
  return signalOf(assessments.get(model)!, verdict.signal);
}

export function signalOf(assessment: Assessment, signal: SignalAssessment['signal']): SignalAssessment {
  return assessment.signals.find(assessed => assessed.signal === signal)!;
}
