import { z } from 'zod';
import type { AlertNotice } from '../record/alerts.ts';

/** Alertmanager's webhook, version 4. Fields that newer versions add are let through. */
export const webhookPayload = z.object({
  version: z.string(),
  alerts: z.array(
    z.object({
      status: z.enum(['firing', 'resolved']),
      labels: z.record(z.string(), z.string()),
      annotations: z.record(z.string(), z.string()).default({}),
      startsAt: z.iso.datetime({ offset: true }),
      endsAt: z.iso.datetime({ offset: true }),
      fingerprint: z.string().min(1).max(64),
    }),
  ),
});

/** The alerts of a delivery as they are kept. The dead man's switch is a sign of life, not an alert. */
export function noticesOf(payload: z.infer<typeof webhookPayload>): AlertNotice[] {
  return payload.alerts.filter(({ labels }) => labels.severity !== 'none').map(noticeOf);
}

function noticeOf({
  status,
  labels,
  annotations,
  startsAt,
  endsAt,
  fingerprint,
}: z.infer<typeof webhookPayload>['alerts'][number]): AlertNotice {
  const value = numberIn(annotations.value);
  const threshold = numberIn(annotations.threshold);
  return {
    name: (labels.alertname ?? 'unnamed').slice(0, columns.name),
    type: (labels.alert_type ?? 'other').slice(0, columns.type),
    severity: (labels.severity ?? 'unknown').slice(0, columns.severity),
    message: annotations.description ?? annotations.summary ?? labels.alertname ?? '',
    fingerprint,
    startsAt: Date.parse(startsAt),
    labels,
    annotations,
    ...(status === 'resolved' && { endsAt: Date.parse(endsAt) }),
    ...(labels.model && { model: labels.model.slice(0, columns.model) }),
    ...(labels.route && { route: labels.route.slice(0, columns.route) }),
    ...(labels.signal && { signal: labels.signal.slice(0, columns.signal) }),
    ...(value !== undefined && { value }),
    ...(threshold !== undefined && { threshold }),
  };
}

/**
 * What the columns hold, in characters. Anybody's alert may come here, and one that does not fit would keep out the
 * others of its delivery; its labels are kept whole.
 */
const columns = { name: 255, type: 50, severity: 20, model: 255, route: 255, signal: 50 } as const;
const largestValue = 999_999;

function numberIn(text: string | undefined): number | undefined {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) && Math.abs(value) <= largestValue ? value : undefined;
}
