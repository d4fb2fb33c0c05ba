import { type Change, type Decision, isChange, type SignalAssessment } from '../types.ts';
import { backoffMs, stepsAfter } from './backoff.ts';
import { vet } from './backups.ts';
import { failover } from './failover.ts';
import {
  type FailedOver,
  isExhausted,
  type Proving,
  provenByCopies,
  recoveries,
  troubleInProof,
  unproven,
} from './proof.ts';
import type { Situation } from './situation.ts';
import { describeSpread, measuredDemand, spread } from './spread.ts';
import { isRecovering, troubleSince, verdictOf } from './verdicts.ts';
import { allTo, withShare } from './weights.ts';
import { hold, measured } from './words.ts';

/** A backup serves. When the wait is over and the primary passes its probes, it gets a small share to prove itself. */
export function decideFailedOver(situation: Situation, phase: FailedOver): Decision {
  const leave = leaveBackup(situation, phase.to);
  if (leave && !isStuck(leave)) return leave;
  const attempt = tryPrimary(situation, phase);
  if (isChange(attempt)) return attempt;
  return leave ?? respread(situation, phase) ?? attempt;
}

/** The backup that serves is bad and nobody can take over at once: the primary's own way back is the only way out. */
const isStuck = ({ kind, reason }: Decision) => kind === 'exhausted' || reason === 'no_vetted_backup';

function tryPrimary(situation: Situation, phase: FailedOver): Decision {
  const { route, state, now } = situation;
  const primary = route.targets[0];
  const returnsAt = phase.since + backoffMs(stepsAfter(route, phase.cause), state.backoff.level);
  if (now < returnsAt)
    return hold(
      'backing_off',
      `${phase.to} serves; ${primary} is tried again in ${seconds(returnsAt - now)}`,
    );
  const exhausted = situation.assessments.get(primary)?.signals.find(isExhausted);
  if (exhausted)
    return hold(
      'primary_not_vetted',
      `${phase.to} serves; ${primary} is not tried: ${measured(exhausted, 'critical')}`,
    );
  const probe = situation.probes.get(primary);
  const vetting = probe
    ? vet(situation, primary, { kind: 'unknown', reason: 'drained' })
    : { vetted: true, why: 'it has no probes' };
  if (!vetting.vetted)
    return hold('primary_not_vetted', `${phase.to} serves; ${primary} is not tried: ${vetting.why}`);
  const proof = provenByCopies(situation, phase);
  if (proof !== undefined) return firstStep(situation, phase, proof);
  const { canaryPercent } = stepsAfter(route, phase.cause);
  return {
    kind: 'probe',
    reason: 'probes_passed',
    words: `the wait is over and ${primary} may prove itself (${vetting.why}): ${canaryPercent} % of the traffic`,
    from: phase.to,
    to: primary,
    next: {
      weights: withShare(primary, canaryPercent, state.weights, route.targets),
      phase: { kind: 'probing', to: phase.to, since: now, cause: phase.cause },
      backoff: state.backoff,
    },
  };
}

/** The primary serves a share. Each step is earned by evidence gathered in it; any sign of trouble sends it back. */
export function decideProving(situation: Situation, phase: Proving): Decision {
  const trouble = troubleInProof(situation, phase);
  if (trouble) return sendBack(situation, phase, trouble);
  const leave = leaveBackup(situation, phase.to);
  if (leave && !isStuck(leave)) return leave;
  const climbed = climb(situation, phase);
  return leave && !isChange(climbed) ? leave : climbed;
}

function climb(situation: Situation, phase: Proving): Decision {
  const { route, now } = situation;
  const primary = route.targets[0];
  const { canaryMs, stepMs } = stepsAfter(route, phase.cause);
  const atLeastMs = phase.kind === 'probing' ? canaryMs : stepMs;
  if (now - phase.since < atLeastMs)
    return hold(
      phase.kind === 'probing' ? 'canary_time' : 'step_time',
      `${primary} has its share for ${seconds(phase.since + atLeastMs - now)} more before it may get a larger one`,
    );
  const open = unproven(situation, primary, phase);
  if (open.length > 0) return hold('not_proven', `${primary} has not proven itself yet: ${open.join('; ')}`);
  const proof = recoveries(situation.assessments.get(primary)!, phase);
  return stepUp(situation, phase, phase.kind === 'probing' ? 0 : phase.step + 1, proof);
}

const firstStep = (situation: Situation, phase: FailedOver, proof: string) =>
  stepUp(situation, phase, 0, `without a share of the traffic; ${proof}`);

function stepUp(
  { route, state, now }: Situation,
  phase: FailedOver | Proving,
  step: number,
  proof: string,
): Decision {
  const primary = route.targets[0];
  const percent = stepsAfter(route, phase.cause).steps[step] ?? 100;
  const proven = { reason: 'proven' as const, from: phase.to, to: primary };
  if (percent >= 100)
    return {
      kind: 'failback',
      ...proven,
      words: `${primary} has proven itself (${proof}) and serves all traffic again`,
      next: {
        weights: allTo(primary, route.targets),
        phase: { kind: 'primary', since: now },
        backoff: { level: state.backoff.level, returnedAt: now },
      },
    };
  return {
    kind: 'ramp',
    ...proven,
    words: `${primary} has proven itself (${proof}) and gets ${percent} % of the traffic`,
    next: {
      weights: withShare(primary, percent, state.weights, route.targets),
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

/** The least by which a share has to be wrong before it is moved for want of room, or for more of it: 10 %. */
const leastMove = 1000;

/** Not all of the traffic found room, and now there is more of it; or there is less, and a backup would buckle. */
function respread(situation: Situation, { to }: FailedOver): Change | undefined {
  const { route, state } = situation;
  if (Object.keys(route.capacities).length === 0 || measuredDemand(situation) === undefined) return undefined;
  const primary = route.targets[0];
  const isUsable = (model: string) =>
    model !== primary && vet(situation, model, verdictOf(situation, model)).vetted;
  const takers = [to, ...route.targets.filter(model => model !== to && isUsable(model))];
  const next = spread(situation, takers, primary);
  const isMoved = (model: string) =>
    Math.abs(next.weights[model]! - (state.weights[model] ?? 0)) >= leastMove;
  if (!route.targets.some(isMoved)) return undefined;
  return {
    kind: 'failover',
    reason: 'more_room',
    words: `${to} has room for ${(next.weights[to]! / 100).toFixed(1)} % of the requests now${describeSpread(next, primary)}`,
    from: primary,
    to,
    next: { weights: next.weights, phase: state.phase, backoff: state.backoff },
  };
}

/** A backup that carries traffic has gone bad: the next best takes over, the primary only if nothing speaks against it. */
function leaveBackup(situation: Situation, backup: string): Decision | undefined {
  const { route, state } = situation;
  const primary = route.targets[0];
  const others = route.targets.filter(
    target => target !== primary && target !== backup && (state.weights[target] ?? 0) > 0,
  );
  return (
    leaveIfBad(situation, backup) ?? others.map(other => leaveOther(situation, other, backup)).find(isDefined)
  );
}

const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

/** One of several: the one that serves most takes its share, if there is room. */
function leaveOther(situation: Situation, other: string, serving: string): Decision | undefined {
  const trouble = troubleSince(situation, other, situation.state.phase.since);
  if (!trouble || isRecovering(trouble)) return undefined;
  const { backoff } = situation.state;
  return failover(situation, {
    leaving: other,
    reason: 'backup_degraded',
    evidence: trouble,
    backoff,
    serving,
  });
}

function leaveIfBad(situation: Situation, backup: string): Decision | undefined {
  const assessment = situation.assessments.get(backup);
  const isSeen = assessment?.signals.some(({ vantage }) => vantage !== undefined);
  if (!isSeen) {
    const verdict = verdictOf(situation, backup);
    return hold(
      'unknown',
      `${backup}, which serves, is unknown: ${verdict.kind === 'unknown' ? verdict.reason : ''}`,
    );
  }
  const trouble = troubleSince(situation, backup, situation.state.phase.since);
  if (!trouble || isRecovering(trouble)) return undefined;
  return failover(situation, {
    leaving: backup,
    reason: 'backup_degraded',
    evidence: trouble,
    backoff: situation.state.backoff,
  });
}

const seconds = (ms: number) => `${Math.max(1, Math.round(ms / 1000))} s`;
