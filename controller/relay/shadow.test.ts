import type http from 'node:http';
import type { ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { init } from '@neuroweaver/instrumentation';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ask,
  openRequest,
  putRoute,
  refusingAddress,
  startGateway,
  startModel,
  startServer,
  targetsAt,
  until,
} from './fixture.ts';
import { equalJson, type RouteOptions, type ShadowOptions } from './index.ts';

/** Bounds so wide that they are not what the test is about. */
const wide = { percent: 100, maxPerSecond: 100_000, maxInFlight: 1_000 };

describe('a drained target', () => {
  test('gets copies, whose answers are counted and go to nobody', async () => {
    const seen: { headers: http.IncomingHttpHeaders; url: string | undefined; body: string }[] = [];
    const drained = await startServer(async (request, response) => {
      seen.push({ headers: request.headers, url: request.url, body: await text(request) });
      response.statusCode = seen.length === 3 ? 500 : 200;
      response.end('the answer to a copy');
    });
    const { url, telemetry } = await startDrained(wide, drained);
    for (let index = 0; index < 5; index += 1) {
      const response = await ask(`${url}/mail/classify?id=${index}`, {
        method: 'PUT',
        body: `mail ${index}`,
      });
      expect(response.headers.get('x-relaycore-target')).toBe('b');
      expect(await response.json()).toMatchObject({ name: 'b', body: `mail ${index}` });
    }
    await until(() => telemetry.attempts.length === 10);
    expect(seen).toHaveLength(5);
    expect(seen[0]).toMatchObject({
      url: '/classify?id=0',
      body: 'mail 0',
      headers: { 'x-relaycore-shadow': 'true', 'x-forwarded-for': '127.0.0.1', 'content-length': '6' },
    });
    const copies = telemetry.attempts.filter(({ shadow }) => shadow);
    expect(copies.map(({ outcome }) => outcome).toSorted()).toEqual(['error', 'ok', 'ok', 'ok', 'ok']);
    expect(copies.every(({ model, retried, seconds }) => model === 'a' && !retried && seconds > 0)).toBe(
      true,
    );
    const lives = telemetry.attempts.filter(({ shadow }) => !shadow);
    expect(lives).toMatchObject(Array(5).fill({ model: 'b', outcome: 'ok' }));
    expect(telemetry.declared).toContainEqual({ route: 'mail', model: 'a', version: '1', shadow: true });
  });

  test('gets its copy only once the whole answer is on its way to the caller', async () => {
    const order: string[] = [];
    const drained = await startServer((_request, response) => {
      order.push('copy');
      response.end();
    });
    const responses: ServerResponse[] = [];
    const live = await startServer((_request, response) => void responses.push(response));
    const { url, telemetry } = await startDrained(wide, drained, live);
    const opened = openRequest(`${url}/mail/`);
    await until(() => responses.length === 1);
    responses[0]?.write('begun ');
    const { answer } = await opened;
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    order.push('let go');
    responses[0]?.end('and ended');
    expect(await text(answer)).toBe('begun and ended');
    await until(() => telemetry.attempts.length === 2);
    expect(order).toEqual(['let go', 'copy']);
  });

  test.each([
    ['hangs', () => startServer(() => {}), 'cancelled'],
    ['refuses', refusingAddress, 'refused'],
  ])('that %s costs no caller anything', async (_name, start, outcome) => {
    const { url, relay, telemetry } = await startDrained({ ...wide, maxInFlight: 3 }, await start());
    for (let index = 0; index < 10; index += 1) expect((await ask(`${url}/mail/`)).status).toBe(200);
    await relay.close();
    const copies = telemetry.attempts.filter(({ shadow }) => shadow);
    expect(copies.map(each => each.outcome)).toContain(outcome);
    expect(telemetry.attempts.filter(({ shadow }) => !shadow)).toHaveLength(10);
  });
});

test('the counters of a drained target rise on the metrics page, apart from those of callers', async () => {
  const ml = init({ port: 0 });
  onTestFinished(() => ml.shutdown());
  await ml.ready;
  const targets = targetsAt(await startModel('a'), await startModel('b'));
  const shadow = { ...wide, compare: () => 1 };
  const { url } = await startGateway({ routes: { mail: { targets, shadow } }, telemetry: ml.gateway() });
  await putRoute(url, 'mail', { weights: { b: 10_000 }, generation: 1, reason: 'a is bad' });
  for (let index = 0; index < 3; index += 1) await (await ask(`${url}/mail/`)).text();

  const target = 'gen_ai_request_model="a",ml_model_version="1"';
  const attempts = `relaycore_gateway_attempts_total{route="mail",${target},shadow="true",outcome="ok",retried="false"} 3`;
  const scores = `ml_evaluation_score_count{${target},evaluation_name="agreement",source="agreement"} 3`;
  const page = async () => (await (await ask(ml.endpoint!)).text()).split('\n');
  await expect.poll(page, { timeout: 5_000 }).toEqual(expect.arrayContaining([attempts, scores]));
  const seenByCallers = (await page()).filter(
    line => line.includes(target) && line.includes('shadow="false"'),
  );
  expect(seenByCallers.length).toBeGreaterThan(0);
  expect(seenByCallers.every(line => line.endsWith(' 0'))).toBe(true);
});

describe('no copy', () => {
  test.each([
    ['of a method that changes something', 'POST', 'idempotent', 0],
    ['unless the route allows it', 'POST', 'always', 1],
    ['but of one that can be repeated', 'GET', 'idempotent', 1],
  ] as const)('%s: %s, %s', async (_name, method, allowRetry, copies) => {
    const { url, relay, telemetry } = await startDrained(wide, await startModel('a'), undefined, {
      allowRetry,
    });
    await (await ask(`${url}/mail/`, { method })).text();
    await until(() => telemetry.attempts.length === 1 + copies);
    await relay.close();
    expect(telemetry.attempts.filter(({ shadow }) => shadow)).toHaveLength(copies);
    expect(telemetry.noted).toEqual([]);
  });

  test('when every target has weight', async () => {
    const { url, relay, telemetry } = await startDrained(wide, await startModel('a'));
    await putRoute(url, 'mail', { weights: { a: 5_000, b: 5_000 }, generation: 2, reason: 'half' });
    await (await ask(`${url}/mail/`)).text();
    await until(() => telemetry.attempts.length === 1);
    await relay.close();
    expect(telemetry.attempts).toHaveLength(1);
  });

  test('to the target that answered', async () => {
    const given = { ...wide, targets: ['b'] };
    const { url, relay, telemetry } = await startDrained(given, await startModel('a'));
    await (await ask(`${url}/mail/`)).text();
    await until(() => telemetry.attempts.length === 1);
    await relay.close();
    expect(telemetry.attempts).toMatchObject([{ model: 'b', shadow: false }]);
  });
});

describe('beyond the bounds copies are dropped and counted', () => {
  test('a sample in percent, which is no bound', async () => {
    const { url, relay, telemetry } = await startDrained({ ...wide, percent: 0 }, await startModel('a'));
    await (await ask(`${url}/mail/`)).text();
    await relay.close();
    expect([telemetry.attempts.length, telemetry.noted.length]).toEqual([1, 0]);
  });

  test('so many a second', async () => {
    const { url, relay, telemetry } = await startDrained(
      { ...wide, maxPerSecond: 0.01 },
      await startModel('a'),
    );
    for (let index = 0; index < 4; index += 1) await (await ask(`${url}/mail/`)).text();
    await relay.close();
    await expectDropped(telemetry, { dropped: 3, lives: 4 });
  });

  test('so many at a time', async () => {
    const { url, relay, telemetry } = await startDrained(
      { ...wide, maxInFlight: 2 },
      await startServer(() => {}),
    );
    for (let index = 0; index < 5; index += 1) await (await ask(`${url}/mail/`)).text();
    await relay.close();
    await expectDropped(telemetry, { dropped: 3, lives: 5 });
  });

  test.each([
    ['larger than allowed', 2_000],
    ['too large to keep at all', 2 ** 21],
  ])('a request %s', async (_name, bytes) => {
    const given = { ...wide, maxBodyBytes: 1_999 };
    const { url, relay, telemetry } = await startDrained(given, await startModel('a'));
    await (await ask(`${url}/mail/`, { method: 'PUT', body: Buffer.alloc(bytes) })).text();
    await (await ask(`${url}/mail/`, { method: 'PUT', body: Buffer.alloc(1_999) })).text();
    await until(() => telemetry.attempts.length === 3);
    await relay.close();
    await expectDropped(telemetry, { dropped: 1, lives: 2 });
  });

  test('a target that is at its capacity', async () => {
    const [a, b] = targetsAt(await startServer(() => {}), await startModel('b'));
    const targets = [{ ...a!, capacity: { inFlight: 1 } }, b!];
    const { url, relay, telemetry } = await startGateway({ routes: { mail: { targets, shadow: wide } } });
    await putRoute(url, 'mail', { weights: { b: 10_000 }, generation: 1, reason: 'a is bad' });
    for (let index = 0; index < 3; index += 1) await (await ask(`${url}/mail/`)).text();
    await relay.close();
    await expectDropped(telemetry, { dropped: 2, lives: 3 });
  });

  type Recorded = Awaited<ReturnType<typeof startDrained>>['telemetry'];

  async function expectDropped(telemetry: Recorded, { dropped, lives }: { dropped: number; lives: number }) {
    const counted = { route: 'mail', model: 'a', version: '1', event: 'shadow_dropped', shadow: true };
    expect(telemetry.noted).toEqual(Array(dropped).fill(counted));
    expect(telemetry.attempts.filter(({ shadow }) => shadow)).toHaveLength(lives - dropped);
  }
});

describe('agreement', () => {
  const labelled = (label: string) => (_request: http.IncomingMessage, response: ServerResponse) =>
    void response.end(JSON.stringify({ label, at: Math.random() }));
  const given = { ...wide, compare: equalJson('/label') };

  test.each([
    ['the same', 'spam', 1],
    ['another', 'ham', 0],
  ])('of %s label is %s: %i', async (_name, label, score) => {
    const drained = await startServer(labelled(label));
    const { url, telemetry } = await startDrained(given, drained, await startServer(labelled('spam')));
    await (await ask(`${url}/mail/`)).text();
    await until(() => telemetry.agreements.length === 1);
    expect(telemetry.agreements).toEqual([{ route: 'mail', model: 'a', version: '1', score }]);
  });

  test('is of what is in the answers, not of how they are packed', async () => {
    const drained = await startServer((_request, response) => {
      response.setHeader('content-encoding', 'gzip').end(gzipSync('{"label":"spam"}'));
    });
    const { url, telemetry } = await startDrained(given, drained, await startServer(labelled('spam')));
    await (await ask(`${url}/mail/`)).text();
    await until(() => telemetry.agreements.length === 1);
    expect(telemetry.agreements[0]?.score).toBe(1);
  });

  test.each([
    [
      'fails',
      (_request: http.IncomingMessage, response: ServerResponse) => void response.writeHead(500).end(),
    ],
    [
      'is too long',
      (_request: http.IncomingMessage, response: ServerResponse) => void response.end('x'.repeat(2 ** 17)),
    ],
    [
      'is not packed as it says',
      (_request: http.IncomingMessage, response: ServerResponse) =>
        void response.setHeader('content-encoding', 'gzip').end('{"label":"spam"}'),
    ],
  ])('is unknown when the answer to the copy %s', async (_name, drained) => {
    const live = await startServer(labelled('spam'));
    const { url, relay, telemetry } = await startDrained(given, await startServer(drained), live);
    await (await ask(`${url}/mail/`)).text();
    await until(() => telemetry.attempts.length === 2);
    await relay.close();
    expect(telemetry.agreements).toEqual([]);
  });

  test('by a function that throws is told once, and copies go on', async () => {
    const compare = () => {
      throw new Error('no label');
    };
    const { url, telemetry, events } = await startDrained({ ...wide, compare }, await startModel('a'));
    for (let index = 0; index < 3; index += 1) await (await ask(`${url}/mail/`)).text();
    await until(() => telemetry.attempts.length === 6);
    await until(() => events.some(({ kind }) => kind === 'comparison failed'));
    expect(events.filter(({ kind }) => kind === 'comparison failed')).toHaveLength(1);
  });
});

/** All traffic is on b; a, the first address, is drained. */
async function startDrained(
  shadow: ShadowOptions,
  drained: string,
  live?: string,
  more: Pick<RouteOptions, 'allowRetry'> = {},
) {
  const targets = targetsAt(drained, live ?? (await startModel('b')));
  const gateway = await startGateway({ routes: { mail: { targets, shadow, ...more } } });
  await putRoute(gateway.url, 'mail', { weights: { b: 10_000 }, generation: 1, reason: 'a is bad' });
  return gateway;
}
