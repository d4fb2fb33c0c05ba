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
    name: labels.alertname ?? 'unnamed',
    type: labels.alert_type ?? 'other',
    severity: labels.severity ?? 'unknown',
    message: annotations.description ?? annotations.summary ?? labels.alertname ?? '',
    fingerprint,
    startsAt: Date.parse(startsAt),
    labels,
    annotations,
    ...(status === 'resolved' && { endsAt: Date.parse(endsAt) }),
    ...(labels.model && { model: labels.model }),
    ...(labels.route && { route: labels.route }),
    ...(labels.signal && { signal: labels.signal }),
    ...(value !== undefined && { value }),
    ...(threshold !== undefined && { threshold }),
  };
}

function numberIn(text: string | undefined): number | undefined {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) && Math.abs(value) < 1e6 ? value : undefined;
}
