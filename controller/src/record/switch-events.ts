import type { SignalName } from '@relaycore/rules';
import type { Decision, ReasonCode, Weights } from '../types.ts';
import type { Database, Transaction } from './database.ts';

export const switchKinds = [
  'failover',
  'probe',
  'ramp',
  'failback',
  'balance',
  'manual',
  'adopt',
  'restore',
] as const;
/** `manual` is a person's; `adopt` and `restore` answer a gateway that was changed past the controller. */
export type SwitchKind = (typeof switchKinds)[number];

/** Who changes a route that no person changes. */
export const controllerActor = 'controller';

export interface NewSwitchEvent {
  readonly route: string;
  readonly generation: number;
  readonly kind: SwitchKind;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly signal?: SignalName;
  /** The measured value behind the decision: success rate, share of fast requests or mean score, in [0, 1]. */
  readonly score?: number;
  readonly actor: string;
  readonly weights: Weights;
  readonly decision: unknown;
  readonly at: number;
}

/** Pending until the gateway has been read back; superseded when a later generation got there first. */
export type Outcome = 'pending' | 'applied' | 'superseded';

export interface SwitchEvent extends NewSwitchEvent {
  readonly id: number;
  readonly outcome: Outcome;
  readonly outcomeDetail?: string;
  readonly appliedAt?: number;
  readonly rolledBackAt?: number;
}

export async function insertSwitchEvent(transaction: Transaction, event: NewSwitchEvent): Promise<void> {
  await transaction.query(
    `INSERT INTO relaycore.model_switch_events
       (route, generation, kind, from_model, to_model, reason, signal, performance_score, actor, weights, decision, switch_timestamp)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      event.route,
      event.generation,
      event.kind,
      event.from,
      event.to,
      event.reason.slice(0, 255),
      event.signal ?? null,
      event.score ?? null,
      event.actor,
      JSON.stringify(event.weights),
      JSON.stringify(event.decision),
      new Date(event.at),
    ],
  );
}

/** The failovers before this generation are over: the route is back on its primary. */
export async function markRolledBack(
  transaction: Transaction,
  route: string,
  at: number,
  generation: number,
): Promise<void> {
  await transaction.query(
    `UPDATE relaycore.model_switch_events SET rollback_timestamp = $2
     WHERE route = $1 AND generation < $3 AND rollback_timestamp IS NULL AND kind IN ('failover', 'manual')`,
    [route, new Date(at), generation],
  );
}

/** The gateway holds this generation; earlier ones that never got there are superseded. */
export async function markApplied(
  database: Database,
  route: string,
  generation: number,
  at: number,
  detail: string,
): Promise<void> {
  await database.query(
    `UPDATE relaycore.model_switch_events
     SET outcome = CASE WHEN generation = $2 THEN 'applied' ELSE 'superseded' END,
         applied_at = CASE WHEN generation = $2 THEN $3::timestamptz END,
         outcome_detail = CASE WHEN generation = $2 THEN $4 ELSE 'a later generation was applied first' END
     WHERE route = $1 AND generation <= $2 AND outcome = 'pending'`,
    [route, generation, new Date(at), detail],
  );
}

export async function outcomeOf(database: Database, route: string, generation: number): Promise<Outcome> {
  const rows = await database.query<{ outcome: Outcome }>(
    'SELECT outcome FROM relaycore.model_switch_events WHERE route = $1 AND generation = $2',
    [route, generation],
  );
  return rows[0]?.outcome ?? 'pending';
}

/** Why a failover leaves a model; the other ones go back to the backup that serves already. */
const leavingReasons: readonly ReasonCode[] = ['degraded', 'backup_degraded'];

export const isLeaving = ({ kind, reason }: Decision) =>
  kind === 'failover' && leavingReasons.includes(reason);

/** The models that automatic failovers have left since a time. */
export async function modelsLeftSince(database: Database, since: number): Promise<ReadonlySet<string>> {
  const rows = await database.query<{ model: string }>(
    `SELECT DISTINCT from_model AS model FROM relaycore.model_switch_events
     WHERE kind = 'failover' AND switch_timestamp > $1 AND actor = $2
       AND decision ->> 'reason' = ANY($3)`,
    [new Date(since), controllerActor, leavingReasons],
  );
  return new Set(rows.map(({ model }) => model));
}

/** What brought the route to this generation. */
export async function findSwitchEvent(
  database: Database,
  route: string,
  generation: number,
): Promise<SwitchEvent | undefined> {
  const rows = await database.query<Row>(
    'SELECT * FROM relaycore.model_switch_events WHERE route = $1 AND generation = $2',
    [route, generation],
  );
  return rows.map(eventOf)[0];
}

/** Keyset page: events older than `before`, newest first. */
export interface SwitchEventFilter {
  readonly route?: string;
  readonly model?: string;
  readonly kind?: string;
  readonly before?: number;
  readonly limit: number;
}

export async function listSwitchEvents(
  database: Database,
  filter: SwitchEventFilter,
): Promise<readonly SwitchEvent[]> {
  const rows = await database.query<Row>(
    `SELECT * FROM relaycore.model_switch_events
     WHERE ($1::text IS NULL OR route = $1)
       AND ($2::text IS NULL OR from_model = $2 OR to_model = $2)
       AND ($3::text IS NULL OR kind = $3)
       AND ($4::integer IS NULL OR id < $4)
     ORDER BY id DESC LIMIT $5`,
    [filter.route ?? null, filter.model ?? null, filter.kind ?? null, filter.before ?? null, filter.limit],
  );
  return rows.map(eventOf);
}

interface Row {
  id: number;
  route: string;
  generation: number;
  kind: SwitchKind;
  from_model: string;
  to_model: string;
  reason: string;
  signal: SignalName | null;
  performance_score: string | null;
  actor: string;
  weights: Weights;
  decision: unknown;
  outcome: Outcome;
  outcome_detail: string | null;
  switch_timestamp: Date;
  applied_at: Date | null;
  rollback_timestamp: Date | null;
}

const eventOf = (row: Row): SwitchEvent => ({
  id: row.id,
  route: row.route,
  generation: row.generation,
  kind: row.kind,
  from: row.from_model,
  to: row.to_model,
  reason: row.reason,
  actor: row.actor,
  weights: row.weights,
  decision: row.decision,
  outcome: row.outcome,
  at: row.switch_timestamp.getTime(),
  ...(row.signal && { signal: row.signal }),
  ...(row.performance_score !== null && { score: Number(row.performance_score) }),
  ...(row.outcome_detail && { outcomeDetail: row.outcome_detail }),
  ...(row.applied_at && { appliedAt: row.applied_at.getTime() }),
  ...(row.rollback_timestamp && { rolledBackAt: row.rollback_timestamp.getTime() }),
});
