import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** One alert as it reached the demo's stand-in for a chat or pager. */
export interface DeliveredAlert {
  readonly name: string;
  readonly severity: string;
  readonly status: 'firing' | 'resolved';
  readonly deliveredAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface WebhookSink {
  readonly url: string;
  /** First deliveries: the repeats and retries that Alertmanager may send are left out. */
  readonly delivered: readonly DeliveredAlert[];
  stop(): Promise<void>;
}

/** Receives Alertmanager's webhooks. */
export async function startWebhookSink(onAlert: (alert: DeliveredAlert) => void): Promise<WebhookSink> {
  const delivered: DeliveredAlert[] = [];
  const seen = new Set<string>();
  const server = createServer(async (request, response) => {
    const payload = (await json(request)) as { alerts: Record<string, unknown>[] };
    for (const alert of payload.alerts) take(alert);
    response.end();
  });

  function take(alert: Record<string, unknown>): void {
    const labels = alert.labels as Record<string, string>;
    const key = `${alert.fingerprint} ${alert.startsAt} ${alert.status}`;
    if (seen.has(key)) return;
    seen.add(key);
    const taken: DeliveredAlert = {
      name: labels.alertname ?? '',
      severity: labels.severity ?? '',
      status: alert.status as DeliveredAlert['status'],
      deliveredAt: Date.now(),
      labels,
      annotations: alert.annotations as Record<string, string>,
    };
    delivered.push(taken);
    onAlert(taken);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    delivered,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
