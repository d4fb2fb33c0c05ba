import type { SignalName } from '@relaycore/rules';
import { recoveredAt } from '../assess/recovery.ts';
import type { Cause, Decision, Phase, SignalAssessment } from '../types.ts';
import type { Situation } from './decide.ts';
import { backoffMs, evidenceOf, failover, isCritical, signalOf, verdictOf, vet } from './failover.ts';
import { allTo, share } from './weights.ts';
import { hold, measured } from './words.ts';

type FailedOver = Extract<Phase, { kind: 'failed_over' }>;
type Proving = Extract<Phase, { kind: 'probing' | 'ramping' }>;

/** A backup serves. When the wait is over and the primary passes its probes, it gets a small share to prove itself. */
export function decideFailedOver(situation: Situation, phase: FailedOver): Decision {
  const { route, state, now } = situation;
  const primary = route.targets[0];
  const leave = leaveBackup(situation, phase.to);
  if (leave) return leave;
  const returnsAt = phase.since + backoffMs(route.failback, state.backoff.level);
  if (now < returnsAt)
    return hold(
      'backing_off',
      `${phase.to} serves; ${primary} is tried again in ${seconds(returnsAt - now)}`,
    );
  const probe = situation.probes.get(primary);
  const vetting = probe
    ? vet(situation, primary, { kind: 'unknown', reason: 'drained' })
    : { vetted: true, why: 'it has no probes' };
  if (!vetting.vetted)
    return hold('primary_not_vetted', `${phase.to} serves; ${primary} is not tried: ${vetting.why}`);
  const { canaryPercent } = route.failback;
  return {
    kind: 'probe',
    reason: 'probes_passed',
    words: `the wait is over and ${primary} may prove itself (${vetting.why}): ${canaryPercent} % of the traffic`,
    from: phase.to,
    to: primary,
    next: {
      weights: share(primary, canaryPercent, phase.to, route.targets),
      phase: { kind: 'probing', to: phase.to, since: now, cause: phase.cause },
      backoff: state.backoff,
    },
  };
}

/** The primary serves a share. Each step is earned by evidence gathered in it; any sign of trouble sends it back. */
export function decideProving(situation: Situation, phase: Proving): Decision {
  const { route, now } = situation;
  const primary = route.targets[0];
  const trouble = troubleSince(situation, primary, phase.since);
  if (trouble) return sendBack(situation, phase, trouble);
  const leave = leaveBackup(situation, phase.to);
  if (leave) return leave;
  const atLeastMs = phase.kind === 'probing' ? route.failback.canaryMs : route.failback.stepMs;
  if (now - phase.since < atLeastMs)
    return hold(
      phase.kind === 'probing' ? 'canary_time' : 'step_time',
      `${primary} has its share for ${seconds(phase.since + atLeastMs - now)} more before it may get a larger one`,
    );
  const open = unproven(situation, primary, phase);
  if (open.length > 0) return hold('not_proven', `${primary} has not proven itself yet: ${open.join('; ')}`);
  return nextStep(situation, phase);
}

function nextStep({ route, state, now }: Situation, phase: Proving): Decision {
  const primary = route.targets[0];
  const step = phase.kind === 'probing' ? 0 : phase.step + 1;
  const percent = route.failback.steps[step] ?? 100;
  const evidence = { reason: 'proven' as const, from: phase.to, to: primary };
  if (percent >= 100)
    return {
      kind: 'failback',
      ...evidence,
      words: `${primary} has proven itself at every step and serves all traffic again`,
      next: {
        weights: allTo(primary, route.targets),
        phase: { kind: 'primary', since: now },
        backoff: { level: state.backoff.level, returnedAt: now },
      },
    };
  return {
    kind: 'ramp',
    ...evidence,
    words: `${primary} has proven itself and gets ${percent} % of the traffic`,
    next: {
      weights: share(primary, percent, phase.to, route.targets),
      phase: { kind: 'ramping', to: phase.to, since: now, cause: phase.cause, step },
      backoff: state.backoff,
    },
  };
}

/** The primary goes bad again while it proves itself: all traffic back, and twice the wait. */
function sendBack(situation: Situation, phase: Proving, evidence: SignalAssessment): Decision {
  const { state } = situation;
  return failover(situation, {
    leaving: situation.route.targets[0],
    reason: phase.kind === 'probing' ? 'canary_degraded' : 'ramp_degraded',
    evidence,
    backoff: { ...state.backoff, level: state.backoff.level + 1 },
    serving: phase.to,
  });
}

/** The backup that serves has gone bad: the next best takes over, the primary only if nothing speaks against it. */
function leaveBackup(situation: Situation, backup: string): Decision | undefined {
  const verdict = verdictOf(situation, backup);
  if (verdict.kind === 'unknown')
    return hold('unknown', `${backup}, which serves, is unknown: ${verdict.reason}`);
  if (verdict.kind !== 'degraded' || !isCritical(verdict)) return undefined;
  return failover(situation, {
    leaving: backup,
    reason: 'backup_degraded',
    evidence: evidenceOf(situation, backup, verdict),
    backoff: situation.state.backoff,
  });
}

/** A critical verdict that fired after the share began; the old one, which stands until recovery, does not count. */
function troubleSince(
  { assessments }: Situation,
  model: string,
  since: number,
): SignalAssessment | undefined {
  return assessments.get(model)?.signals.find(({ levels }) => (levels.critical.firedAt ?? 0) > since);
}

/**
 * What still has to be proven: success always, the signal that caused the failover, and latency. Certified against
 * critical; a warning that came up meanwhile also stands in the way.
 */
function unproven({ assessments }: Situation, model: string, phase: Proving): string[] {
  const assessment = assessments.get(model);
  if (!assessment) return ['it was never assessed'];
  return [...requiredSignals(phase.cause)].flatMap(name => {
    const signal = signalOf(assessment, name);
    const { critical, warning } = signal.levels;
    if (signal.verdict.kind === 'unknown' && signal.vantage === undefined)
      return [`${name} is unknown: ${signal.verdict.reason}`];
    if ((warning.firedAt ?? 0) > phase.since) return [`${name}: ${measured(signal, 'warning')}`];
    if (critical.recoverySince < phase.since || critical.recovery < recoveredAt)
      return [
        `${name}: evidence of recovery ${Math.max(0, critical.recovery).toFixed(1)} of ${recoveredAt.toFixed(1)} nats`,
      ];
    return [];
  });
}

function requiredSignals({ signal }: Cause): ReadonlySet<SignalName> {
  return new Set<SignalName>(['success', 'latency', ...(signal === 'manual' ? [] : [signal])]);
}

const seconds = (ms: number) => `${Math.max(1, Math.round(ms / 1000))} s`;
