import { rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  type StartedDatabase,
  startServer as startDatabase,
  temporaryFolder,
} from '../../../test/support/databases.ts';
import { manualClock } from '../../../test/support/manual-clock.ts';
import { noProber, policyOf, scriptedReader } from '../../../test/support/scripted-reader.ts';
import { type RunningServer, startAlertmanager } from '../../../test/support/servers.ts';
import { ask, startServer } from '../../relay/fixture.ts';
import { createApi } from '../api/app.ts';
import { createLoop } from '../loop.ts';
import { listAlerts } from '../record/alerts.ts';
import { createTelemetry } from '../telemetry.ts';

/** What Alertmanager 0.25 posts, with fields of later versions added. */
const payload = {
  version: '4',
  groupKey: '{}:{alertname="ModelSuccessCritical", model="spam-nb"}',
  truncatedAlerts: 0,
  status: 'firing',
  receiver: 'relaycore',
  groupLabels: { alertname: 'ModelSuccessCritical' },
  commonLabels: { alertname: 'ModelSuccessCritical', severity: 'critical' },
  commonAnnotations: {},
  externalURL: 'http://alertmanager:9093',
  notificationReason: 'a field of a later version',
  alerts: [
    {
      status: 'firing',
      labels: {
        alertname: 'ModelSuccessCritical',
        alert_type: 'success',
        severity: 'critical',
        model: 'spam-nb',
        route: 'mail-filter',
        signal: 'success',
        instance: '127.0.0.1:9000',
      },
      annotations: {
        summary: 'spam-nb fails',
        description: 'spam-nb answers 41 % of its requests',
        value: '0.41',
        threshold: '0.9',
        runbook_url: 'http://runbooks/success',
      },
      startsAt: '2026-11-02T08:00:00.123456789Z',
      endsAt: '0001-01-01T00:00:00Z',
      generatorURL: 'http://prometheus:9090/graph?g0.expr=1',
      fingerprint: '8d1c8f6a4b2e0f3d',
      imageURL: 'a field of a later version',
    },
  ],
};
const [alert] = payload.alerts as [(typeof payload.alerts)[0]];
const withAlert = (change: object) => ({ ...payload, alerts: [{ ...alert, ...change }] });
const withLabels = (labels: object) => withAlert({ labels: { ...alert.labels, ...labels } });
const withAnnotations = (annotations: object) =>
  withAlert({ annotations: { ...alert.annotations, ...annotations } });

let started: StartedDatabase;
beforeAll(async () => {
  started = await startDatabase();
});
beforeEach(() => started.clear());
afterAll(() => started.stop());

function api(): RequestListener {
  const policy = policyOf('{}');
  const log = pino({ level: 'silent' });
  const telemetry = createTelemetry(() => undefined);
  onTestFinished(() => telemetry.close());
  const parts = {
    policy,
    database: started.database,
    clock: manualClock(),
    telemetry,
    log,
    prober: noProber,
  };
  const loop = createLoop({ ...parts, reader: scriptedReader(), drivers: new Map() });
  return createApi({ ...parts, loop });
}

async function deliver(body: unknown) {
  const response = await ask(`${await startServer(api())}/api/v1/alerts/alertmanager`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const kept = async () => (await listAlerts(started.database, { limit: 100 })).toReversed();

describe('a delivery', () => {
  test('is kept with what it says, and with all its labels and annotations', async () => {
    expect(await deliver(payload)).toEqual({ status: 200, body: { kept: 1 } });
    const { labels, annotations, fingerprint } = alert;
    expect(await kept()).toMatchObject([
      {
        name: 'ModelSuccessCritical',
        type: 'success',
        severity: 'critical',
        message: 'spam-nb answers 41 % of its requests',
        model: 'spam-nb',
        route: 'mail-filter',
        signal: 'success',
        value: 0.41,
        threshold: 0.9,
        resolved: false,
        startsAt: Date.parse('2026-11-02T08:00:00.123Z'),
        fingerprint,
        labels,
        annotations,
      },
    ]);
    expect((await kept())[0]).not.toHaveProperty('resolvedAt');
  });

  test('again, and then resolved, is one alert', async () => {
    await deliver(payload);
    await deliver(payload);
    expect(await kept()).toHaveLength(1);
    await deliver(withAlert({ status: 'resolved', endsAt: '2026-11-02T08:05:00Z' }));
    expect(await kept()).toMatchObject([{ resolved: true, resolvedAt: Date.parse('2026-11-02T08:05:00Z') }]);
  });

  test('of somebody else’s alert, which has none of our labels, is kept as what it is', async () => {
    await deliver(withAlert({ labels: { alertname: 'DiskFull' }, annotations: {} }));
    expect(await kept()).toMatchObject([
      { name: 'DiskFull', type: 'other', severity: 'unknown', message: 'DiskFull' },
    ]);
    await deliver(withAlert({ labels: {}, fingerprint: 'nameless' }));
    expect((await kept())[1]).toMatchObject({ name: 'unnamed' });
  });

  test.each([
    ['a name longer than the column', withLabels({ alertname: 'x'.repeat(300) })],
    ['a type longer than the column', withLabels({ alert_type: 'x'.repeat(60) })],
    ['a severity longer than the column', withLabels({ severity: 'x'.repeat(30) })],
    ['a model longer than the column', withLabels({ model: 'x'.repeat(300) })],
    ['a route longer than the column', withLabels({ route: 'x'.repeat(300) })],
    ['a signal longer than the column', withLabels({ signal: 'x'.repeat(60) })],
    ['a value that no column holds', withAnnotations({ value: '999999.99999' })],
    ['a value that is no number', withAnnotations({ value: 'NaN', threshold: '+Inf' })],
    ['an empty value', withAnnotations({ value: '' })],
  ])('with %s is kept, with its labels as they are', async (_, body) => {
    expect(await deliver(body)).toEqual({ status: 200, body: { kept: 1 } });
    expect(await kept()).toMatchObject([{ labels: body.alerts[0]!.labels }]);
  });

  test('of the dead man’s switch is a sign of life and is not kept', async () => {
    expect(await deliver(withLabels({ severity: 'none' }))).toEqual({ status: 200, body: { kept: 0 } });
    expect(await kept()).toEqual([]);
  });

  test.each([
    ['no alerts', { version: '4' }],
    ['an unknown status', withAlert({ status: 'pending' })],
    ['a label that is no text', withLabels({ model: 7 })],
    ['a start that is no time', withAlert({ startsAt: 'yesterday' })],
    ['no fingerprint', withAlert({ fingerprint: '' })],
  ])('with %s is refused with the place of the mistake', async (_, body) => {
    const answer = await deliver(body);
    expect(answer).toMatchObject({
      status: 422,
      body: { problems: [{ path: expect.stringMatching(/^alerts/) }] },
    });
    expect(await kept()).toEqual([]);
  });
});

describe('a real Alertmanager', () => {
  let alertmanager: RunningServer | undefined;
  let folder: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(async () => {
    await alertmanager?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('delivers a firing and its end, which become one alert', async () => {
    const deliveries = deliveryLog();
    const url = await startServer(deliveries.through(api()));
    alertmanager = await startAlertmanager({ config: configOf(url), folder });
    const { labels, annotations } = alert;
    const startsAt = new Date(Date.now() - 60_000);
    const tell = (more: object) =>
      post(`${alertmanager!.url}/api/v2/alerts`, [{ labels, annotations, startsAt, ...more }]);
    await tell({});
    await deliveries.next();
    expect(await kept()).toMatchObject([
      { model: 'spam-nb', value: 0.41, resolved: false, startsAt: startsAt.getTime() },
    ]);
    const endsAt = new Date(Date.now() - 1_000);
    await tell({ endsAt });
    await deliveries.next();
    expect(await kept()).toMatchObject([
      { resolved: true, startsAt: startsAt.getTime(), resolvedAt: endsAt.getTime() },
    ]);
  });

  const configOf = (url: string) => `
route: { receiver: relaycore, group_wait: 0s, group_interval: 1s }
receivers:
  - { name: relaycore, webhook_configs: [{ url: '${url}/api/v1/alerts/alertmanager', send_resolved: true }] }
`;

  async function post(url: string, body: unknown): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const response = await ask(url, { method: 'POST', headers, body: JSON.stringify(body) });
    expect({ status: response.status, text: await response.text() }).toMatchObject({ status: 200 });
  }

  /** Lets deliveries through, and tells when the next one has been answered. */
  function deliveryLog() {
    let answered = Promise.withResolvers<number>();
    return {
      through:
        (listener: RequestListener): RequestListener =>
        (request, response) => {
          response.once('finish', () => answered.resolve(response.statusCode));
          listener(request, response);
        },
      async next() {
        expect(await answered.promise).toBe(200);
        answered = Promise.withResolvers();
      },
    };
  }
});
