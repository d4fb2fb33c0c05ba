import type { Database } from './database.ts';

/** One alert as Alertmanager delivers it, parsed. */
export interface AlertNotice {
  readonly name: string;
  readonly type: string;
  readonly severity: string;
  readonly message: string;
  readonly fingerprint: string;
  readonly startsAt: number;
  readonly endsAt?: number;
  readonly model?: string;
  readonly route?: string;
  readonly signal?: string;
  readonly value?: number;
  readonly threshold?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Alert extends AlertNotice {
  readonly id: number;
  readonly resolved: boolean;
  readonly receivedAt: number;
  readonly resolvedAt?: number;
}

/** Keeps alerts; the same firing delivered again updates its row, so that retries and repeats count once. */
export async function keepAlerts(
  database: Database,
  notices: readonly AlertNotice[],
  at: number,
): Promise<void> {
  await database.transaction(async transaction => {
    for (const notice of notices)
      await transaction.query(
        `INSERT INTO relaycore.performance_alerts
           (alert_type, model_id, severity, message, threshold_value, actual_value, resolved, created_at, resolved_at,
            name, route, signal, fingerprint, starts_at, labels, annotations)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (fingerprint, starts_at) DO UPDATE SET
           resolved = EXCLUDED.resolved OR performance_alerts.resolved,
           resolved_at = COALESCE(performance_alerts.resolved_at, EXCLUDED.resolved_at),
           message = EXCLUDED.message,
           actual_value = COALESCE(EXCLUDED.actual_value, performance_alerts.actual_value),
           annotations = EXCLUDED.annotations`,
        [
          notice.type,
          notice.model ?? null,
          notice.severity,
          notice.message,
          notice.threshold ?? null,
          notice.value ?? null,
          notice.endsAt !== undefined,
          new Date(at),
          notice.endsAt === undefined ? null : new Date(notice.endsAt),
          notice.name,
          notice.route ?? null,
          notice.signal ?? null,
          notice.fingerprint,
          new Date(notice.startsAt),
          JSON.stringify(notice.labels),
          JSON.stringify(notice.annotations),
        ],
      );
  });
}

export interface AlertFilter {
  readonly model?: string;
  readonly severity?: string;
  readonly active?: boolean;
  readonly before?: number;
  readonly limit: number;
}

export async function listAlerts(database: Database, filter: AlertFilter): Promise<readonly Alert[]> {
  const rows = await database.query<Row>(
    `SELECT * FROM relaycore.performance_alerts
     WHERE ($1::text IS NULL OR model_id = $1)
       AND ($2::text IS NULL OR severity = $2)
       AND ($3::boolean IS NULL OR resolved = NOT $3)
       AND ($4::integer IS NULL OR id < $4)
     ORDER BY id DESC LIMIT $5`,
    [
      filter.model ?? null,
      filter.severity ?? null,
      filter.active ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  );
  return rows.map(alertOf);
}

interface Row {
  id: number;
  name: string;
  alert_type: string;
  severity: string;
  message: string;
  fingerprint: string;
  model_id: string | null;
  route: string | null;
  signal: string | null;
  actual_value: string | null;
  threshold_value: string | null;
  resolved: boolean;
  starts_at: Date;
  created_at: Date;
  resolved_at: Date | null;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

const alertOf = (row: Row): Alert => ({
  id: row.id,
  name: row.name,
  type: row.alert_type,
  severity: row.severity,
  message: row.message,
  fingerprint: row.fingerprint,
  resolved: row.resolved,
  startsAt: row.starts_at.getTime(),
  receivedAt: row.created_at.getTime(),
  labels: row.labels,
  annotations: row.annotations,
  ...(row.resolved_at && { resolvedAt: row.resolved_at.getTime() }),
  ...(row.model_id !== null && { model: row.model_id }),
  ...(row.route !== null && { route: row.route }),
  ...(row.signal !== null && { signal: row.signal }),
  ...(row.actual_value !== null && { value: Number(row.actual_value) }),
  ...(row.threshold_value !== null && { threshold: Number(row.threshold_value) }),
});
