import type { Policy } from '@relaycore/rules';
import type { Confirmation } from '../apply/confirm.ts';
import { healthOf } from '../assess/health.ts';
import type { Alert } from '../record/alerts.ts';
import type { AuditEntry } from '../record/audit.ts';
import type { SwitchEvent } from '../record/switch-events.ts';
import type { RouteStatus } from '../status.ts';
import {
  type Alternative,
  type Assessment,
  type Decision,
  type Freeze,
  isChange,
  type LevelAssessment,
  type Override,
  type ProbeResult,
  type Proposal,
  type ResourceAssessment,
  type SignalAssessment,
  serving,
} from '../types.ts';

/* What the API shows: snake case, times in ISO 8601. The database keeps the same objects in the controller's own form. */

export const time = (ms: number) => new Date(ms).toISOString();
const timeOrNull = (ms: number | undefined) => (ms === undefined ? null : time(ms));

export function routeView(policy: Policy, name: string, status: RouteStatus | undefined, now: number) {
  const route = policy.routes[name]!;
  const shared = { route: name, mode: route.mode, targets: route.targets, driver: route.driver.kind };
  if (!status)
    return {
      ...shared,
      phase: 'not_taken_over',
      decision: null,
      note: 'the gateway has not said yet what it does; see the log',
    };
  const { state, decision, since, gateway, proposal, traffic } = status;
  return {
    ...shared,
    serving: serving(state.weights),
    weights: state.weights,
    generation: state.generation,
    phase: state.phase.kind,
    phase_since: time(state.phase.since),
    updated_at: time(state.updatedAt),
    backoff_level: state.backoff.level,
    pinned: pinView(state.override, now),
    frozen: handView(state.freeze, now),
    proposal: proposal ? proposalView(proposal) : null,
    gateway: { state: gateway.kind, ...('detail' in gateway && { detail: gateway.detail }) },
    traffic: traffic ? trafficView(traffic) : null,
    decision: decisionView(decision),
    decided_since: time(since),
  };
}

/** What the requests say of the shares. */
const trafficView = (traffic: Confirmation) => ({
  state: traffic.kind,
  since: 'since' in traffic ? time(traffic.since) : null,
  detail: 'detail' in traffic ? traffic.detail : null,
});

/** A hand that has not run out. */
function handView(hand: Freeze | undefined, now: number) {
  if (!hand || hand.expiresAt <= now) return null;
  return { actor: hand.actor, reason: hand.reason, expires_at: time(hand.expiresAt) };
}

function pinView(override: Override | undefined, now: number) {
  const hand = handView(override, now);
  return override && hand ? { target: override.target, ...hand } : null;
}

export function proposalView(proposal: Proposal) {
  return {
    id: proposal.id,
    route: proposal.route,
    generation: proposal.generation,
    mode: proposal.mode,
    kind: proposal.kind,
    from: proposal.from,
    to: proposal.to,
    words: proposal.words,
    status: proposal.status,
    proposed_at: time(proposal.proposedAt),
    expires_at: timeOrNull(proposal.expiresAt),
    closed_at: timeOrNull(proposal.closedAt),
    actor: proposal.actor ?? null,
    comment: proposal.comment ?? null,
    decision: proposal.decision,
  };
}

export function auditView(entry: AuditEntry) {
  return {
    id: entry.id,
    at: time(entry.at),
    actor: entry.actor,
    action: entry.action,
    route: entry.route,
    reason: entry.reason,
    generation_before: entry.generationBefore,
    generation_after: entry.generationAfter,
    idempotency_key: entry.idempotencyKey ?? null,
    source: entry.source,
    detail: entry.detail,
    previous_hash: entry.previousHash,
    hash: entry.hash,
  };
}

interface DecisionView {
  readonly kind: Decision['kind'];
  readonly reason: Decision['reason'];
  readonly words: string;
  readonly signal: string | null;
  readonly alternatives: readonly Alternative[];
  /** Where a change leads. */
  readonly to: string | null;
  /** What would be done without a person's hand. */
  readonly otherwise: DecisionView | null;
}

export function decisionView(decision: Decision): DecisionView {
  const otherwise = isChange(decision) ? undefined : decision.otherwise;
  return {
    kind: decision.kind,
    reason: decision.reason,
    words: decision.words,
    signal: decision.signal ?? null,
    alternatives: decision.alternatives ?? [],
    to: isChange(decision) ? decision.to : null,
    otherwise: otherwise ? decisionView(otherwise) : null,
  };
}

export function modelView(
  { model, version, at, verdict, silence, signals }: Assessment,
  probe: ProbeResult | undefined,
) {
  const health = healthOf(signals);
  return {
    model_id: model,
    model_version: version ?? null,
    evaluated_at: time(at),
    verdict: verdict.kind === 'degraded' ? verdict.level : verdict.kind,
    reason: verdict.kind === 'unknown' ? verdict.reason : verdict.kind === 'degraded' ? verdict.signal : null,
    probe: probe
      ? {
          result: probe.kind,
          at: time(probe.at),
          score: probe.score ?? null,
          ...(probe.kind === 'failed' && { reason: probe.reason, failures: probe.failures }),
        }
      : null,
    silence: silence
      ? { since: time(silence.since), believed_after_seconds: silence.believedAfterMs / 1000 }
      : null,
    health_score: health.score ?? null,
    health_parts: health.parts,
    signals: signals.filter(({ resource }) => !resource).map(signalView),
    resources: signals.flatMap(signal => (signal.resource ? resourceView(signal, signal.resource) : [])),
  };
}

function signalView({ signal, verdict, vantage, levels, requests, trend }: SignalAssessment) {
  return {
    signal,
    verdict: verdict.kind === 'degraded' ? verdict.level : verdict.kind,
    reason: verdict.kind === 'unknown' ? verdict.reason : null,
    vantage: vantage ?? null,
    requests,
    trend: trend ?? null,
    warning: levelView(levels.warning),
    critical: levelView(levels.critical),
  };
}

function resourceView(
  { signal, verdict, levels: { warning, critical } }: SignalAssessment,
  { value, instance, seenAt, forMs, clearBelow }: ResourceAssessment,
) {
  return {
    resource: signal,
    verdict: verdict.kind === 'degraded' ? verdict.level : verdict.kind,
    reason: verdict.kind === 'unknown' ? verdict.reason : null,
    value,
    instance: instance ?? null,
    seen_at: time(seenAt),
    since: timeOrNull(critical.standsSince ?? warning.standsSince),
    warning_threshold: warning.threshold,
    critical_threshold: Number.isFinite(critical.threshold) ? critical.threshold : null,
    clear_below: clearBelow,
    for_seconds: forMs / 1000,
  };
}

function levelView(level: LevelAssessment) {
  const { requests, bad } = level.counts;
  return {
    stands: level.stands,
    rule: level.stands ? (level.rule ?? null) : null,
    since: level.stands ? timeOrNull(level.since) : null,
    fired_at: timeOrNull(level.firedAt),
    bad_fraction: requests > 0 ? bad / requests : null,
    allowed_bad_fraction: level.allowedBad,
    threshold: level.threshold,
    unit: level.unit,
    requests,
    evidence_nats: level.evidence,
    evidence_threshold_nats: level.evidenceThreshold,
    recovery_nats: level.recovery,
  };
}

export function switchEventView(event: SwitchEvent) {
  return {
    id: event.id,
    route: event.route,
    generation: event.generation,
    kind: event.kind,
    from_model: event.from,
    to_model: event.to,
    reason: event.reason,
    signal: event.signal ?? null,
    performance_score: event.score ?? null,
    actor: event.actor,
    weights: event.weights,
    switch_timestamp: time(event.at),
    applied_at: timeOrNull(event.appliedAt),
    rollback_timestamp: timeOrNull(event.rolledBackAt),
    outcome: event.outcome,
    outcome_detail: event.outcomeDetail ?? null,
    decision: event.decision,
  };
}

export function alertView(alert: Alert) {
  return {
    id: alert.id,
    name: alert.name,
    alert_type: alert.type,
    severity: alert.severity,
    model_id: alert.model ?? null,
    route: alert.route ?? null,
    signal: alert.signal ?? null,
    message: alert.message,
    threshold_value: alert.threshold ?? null,
    actual_value: alert.value ?? null,
    resolved: alert.resolved,
    starts_at: time(alert.startsAt),
    created_at: time(alert.receivedAt),
    resolved_at: timeOrNull(alert.resolvedAt),
    fingerprint: alert.fingerprint,
    labels: alert.labels,
    annotations: alert.annotations,
  };
}
