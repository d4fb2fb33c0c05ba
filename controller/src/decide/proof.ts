import type { SignalName } from '@relaycore/rules';
import { recoveredAt } from '../assess/recovery.ts';
import type { Assessment, Cause, Phase, SignalAssessment } from '../types.ts';
import type { Situation } from './situation.ts';
import { firedSince, isTroubleSince, signalOf } from './verdicts.ts';
import { measured, resourceNow } from './words.ts';

/* What a primary has to show before it gets its traffic back, and what takes it away again. */

export type FailedOver = Extract<Phase, { kind: 'failed_over' }>;
export type Proving = Extract<Phase, { kind: 'probing' | 'ramping' }>;

/** A resource needs no traffic to be seen: while it is short, there is nothing to try. */
export const isExhausted = ({ resource, verdict }: SignalAssessment) =>
  resource !== undefined && verdict.kind === 'degraded' && verdict.level === 'critical';

/**
 * Copies of requests, whose answers nobody gets, or another route's traffic have shown already what a small share of
 * this one would show: everything about the primary is known and good, and what took it away is proven to be over.
 */
export function provenByCopies(
  { state, assessments, route }: Situation,
  { since, cause }: FailedOver,
): string | undefined {
  const primary = route.targets[0];
  const assessment = assessments.get(primary);
  const causal = assessment?.signals.find(({ signal }) => signal === cause.signal);
  if (!causal || causal.resource || (state.weights[primary] ?? 0) > 0) return undefined;
  const { critical } = causal.levels;
  // What was good minutes ago may be bad by now: the copies have to go on.
  const isSeenNow = (signalOf(assessment!, 'success').rates?.[0]?.perSecond ?? 0) > 0;
  const isProven =
    isSeenNow &&
    assessment!.verdict.kind === 'healthy' &&
    critical.recoverySince >= since + (causal.labelDelayMs ?? 0) &&
    critical.recovery >= recoveredAt;
  return isProven ? recoveryOf(causal) : undefined;
}

/** What fires while the primary proves itself; labels that come late are of older answers until their delay is over. */
export const troubleInProof = ({ assessments, route }: Situation, { since }: Proving) =>
  assessments
    .get(route.targets[0])
    ?.signals.find(signal => isTroubleSince(signal, since + (signal.labelDelayMs ?? 0)));

/**
 * What still has to be proven: success always, the signal that caused the failover, latency, and whatever else stands
 * at critical. Certified against critical; a warning that came up meanwhile and stands is also in the way.
 */
export function unproven({ assessments }: Situation, model: string, phase: Proving): string[] {
  const assessment = assessments.get(model);
  if (!assessment) return ['it was never assessed'];
  return [...requiredSignals(phase.cause, assessment)].flatMap(name => {
    const signal = signalOf(assessment, name);
    const { critical, warning } = signal.levels;
    const countedFrom = phase.since + (signal.labelDelayMs ?? 0);
    if (signal.verdict.kind === 'unknown' && signal.vantage === undefined)
      return [`${name} is unknown: ${signal.verdict.reason}`];
    if (firedSince(warning, phase.since)) return [`${name}: ${measured(signal, 'warning')}`];
    if (critical.recoverySince < countedFrom || critical.recovery < recoveredAt) return [recoveryOf(signal)];
    return [];
  });
}

export const recoveries = (assessment: Assessment, { cause }: Proving) =>
  [...requiredSignals(cause, assessment)].map(name => recoveryOf(signalOf(assessment, name))).join('; ');

function recoveryOf(assessed: SignalAssessment): string {
  const { signal, resource, levels } = assessed;
  if (resource) return resourceNow(assessed);
  const evidence = Math.max(0, levels.critical.recovery).toFixed(1);
  return `${signal}: evidence of recovery ${evidence} of ${recoveredAt.toFixed(1)} nats`;
}

/** A cause that is no signal of the model any more, because the policy changed, asks for no proof. */
function requiredSignals({ signal: cause }: Cause, { signals }: Assessment): ReadonlySet<SignalName> {
  const required = signals.filter(
    ({ signal, levels }) =>
      signal === 'success' || signal === 'latency' || signal === cause || levels.critical.stands,
  );
  return new Set(required.map(({ signal }) => signal));
}
