import type { Client } from './client.ts';
import type { SwitchEvent } from './watch.ts';
import type { DeliveredAlert } from './webhook-sink.ts';

/** Times that the story notes while it runs, in epoch milliseconds. */
export interface Marks {
  healthySince: number;
  /** When the mail shifted, or the fault began. */
  troubleAt?: number;
  /** When the mail was normal again, or the fault ended. */
  troubleOverAt?: number;
  /** First answer that each generation's new target gave, by generation. */
  readonly firstServedAt: ReadonlyMap<number, number>;
  /** While Prometheus was away. */
  unknown?: { from: number; until?: number; reason: string };
}

export interface ReportParts {
  readonly story: string;
  readonly marks: Marks;
  readonly events: readonly SwitchEvent[];
  readonly alerts: readonly DeliveredAlert[];
  /** When the verdict behind an alert became true, by model, signal and severity. */
  readonly conditions: ReadonlyMap<string, number>;
  readonly client: Client;
}

/** What the run showed, for other programs. Times are epoch milliseconds. */
export function reportOf({ story, marks, events, alerts, conditions, client }: ReportParts) {
  const failover = events.find(({ kind }) => kind === 'failover');
  const { sent, answered, failed, lost } = client.statistics();
  const troubleAt = marks.troubleAt ?? Date.now();
  return {
    story,
    healthySeconds: Math.floor((troubleAt - marks.healthySince) / 1000),
    falseSwitches: events.filter(event => Date.parse(event.switch_timestamp) < troubleAt).length,
    switches: events.map(event => switchOf(event, marks)),
    alerts: alerts.filter(({ status }) => status === 'firing').map(alert => alertOf(alert, conditions)),
    client: { sent, answered, failed, lost, accuracy: accuracyOf(client, marks, failover) },
    ...(marks.unknown && { unknown: marks.unknown }),
  };
}

function switchOf(event: SwitchEvent, marks: Marks) {
  const decidedAt = Date.parse(event.switch_timestamp);
  return {
    route: event.route,
    // The canary is the first step of the ramp.
    kind: event.kind === 'probe' ? 'ramp' : event.kind,
    decision: event.kind,
    from: event.from_model,
    to: event.to_model,
    signal: event.signal,
    reason: event.reason,
    generation: event.generation,
    firstBadAt: event.decision.evidence?.levels.critical.since ?? null,
    decidedAt,
    appliedAt: event.applied_at === null ? null : Date.parse(event.applied_at),
    firstServedAt: marks.firstServedAt.get(event.generation) ?? null,
  };
}

function alertOf(alert: DeliveredAlert, conditions: ReadonlyMap<string, number>) {
  const { route, model, signal } = alert.labels;
  return {
    name: alert.name,
    severity: alert.severity,
    route: route ?? null,
    model: model ?? null,
    conditionAt: conditions.get(conditionKey(model, signal, alert.severity)) ?? null,
    deliveredAt: alert.deliveredAt,
    signal: signal ?? null,
    annotations: alert.annotations,
  };
}

export const conditionKey = (model: string | undefined, signal: string | undefined, level: string) =>
  `${model} ${signal} ${level}`;

/**
 * `healthy`: until the trouble began. `before`: from there until the failover was decided. `during`: from the
 * detector's own estimate of the change until the backup served. `after`: the backup under the same trouble.
 */
function accuracyOf(
  client: Client,
  { healthySince, troubleAt, troubleOverAt, firstServedAt }: Marks,
  failover: SwitchEvent | undefined,
) {
  const between = (from: number, until: number) => client.between(from, until).accuracy ?? null;
  const healthy = between(healthySince, troubleAt ?? Date.now());
  if (troubleAt === undefined || !failover) return { healthy, before: healthy, during: null, after: null };
  const decidedAt = Date.parse(failover.switch_timestamp);
  const servedAt = firstServedAt.get(failover.generation) ?? decidedAt;
  const firstBadAt = failover.decision.evidence?.levels.critical.since ?? troubleAt;
  return {
    healthy,
    before: between(troubleAt, decidedAt),
    during: between(Math.max(firstBadAt, troubleAt), servedAt + 1000),
    after: between(servedAt + 1000, troubleOverAt ?? Date.now()),
  };
}
