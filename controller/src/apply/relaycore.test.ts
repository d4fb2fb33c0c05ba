import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import {
  putRoute,
  refusingAddress,
  startGateway,
  startServer,
  targetsAt,
  temporaryFolder,
} from '../../relay/fixture.ts';
import type { Desired } from './driver.ts';
import { reconcile } from './reconcile.ts';
import { relaycoreDriver } from './relaycore.ts';

/*
 * Gateways whose answers are not what they did. In front of a real relay kit stands something that lies about changes;
 * what counts is what the kit holds, and that only reading tells.
 */

const route = 'mail-filter';
const desired: Desired = { weights: { a: 0, b: 10_000 }, generation: 5, reason: 'a fails' };
const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2');
const timeoutMs = 300;
const soon = () => AbortSignal.timeout(timeoutMs);

const applied = { kind: 'converged', changed: true };
type Lie = (forward: () => Promise<void>, response: ServerResponse) => Promise<void>;

describe('one change, told once', () => {
  test.each<[string, Lie, object, object]>([
    ['500, though applied', after(500), { kind: 'unknown' }, applied],
    ['502 with a page, though applied', after(502, '<h1>Bad gateway</h1>'), { kind: 'unknown' }, applied],
    ['408, though applied', after(408), { kind: 'unknown' }, applied],
    ['200 with a page, though applied', after(200, '<h1>Welcome</h1>'), { kind: 'unknown' }, applied],
    ['200 with null, though applied', after(200, 'null'), { kind: 'unknown' }, applied],
    ['no answer, though applied', afterForwarding(() => undefined), { kind: 'unknown' }, applied],
    ['a broken connection, though applied', afterForwarding(breakOff), { kind: 'unknown' }, applied],
    ['half an answer, though applied', afterForwarding(half), { kind: 'unknown' }, applied],
    [
      '200, though dropped',
      instead(200, '{"success":true,"data":{}}'),
      { kind: 'applied' },
      { kind: 'open' },
    ],
    ['500, and dropped', instead(500), { kind: 'unknown' }, { kind: 'open' }],
    ['no answer, and dropped', async () => undefined, { kind: 'unknown' }, { kind: 'open' }],
    ['422', instead(422), { kind: 'rejected' }, { kind: 'open' }],
    ['401', instead(401), { kind: 'rejected' }, { kind: 'open' }],
    ['412', instead(412), { kind: 'conflict' }, { kind: 'conflict' }],
  ])('%s', async (_, lie, answer, outcome) => {
    const direct = relaycoreDriver({ urls: [await startLiar(lie)] });
    expect(await direct.apply(route, desired, soon())).toMatchObject(answer);
    const driver = relaycoreDriver({ urls: [await startLiar(lie)] });
    const result = await reconcile(driver, route, desired, { tell: true, timeoutMs });
    expect(result).toMatchObject(outcome);
    if (result.kind === 'open') expect(result.detail).toContain('holds generation 0 with {"a":10000,"b":0}');
  });

  test('what was dropped is told again at the next look, and then is there', async () => {
    let drops = 1;
    const url = await startLiar(async (forward, response) => {
      if (drops-- > 0) response.writeHead(200).end('{"success":true,"data":{"changed":true}}');
      else await forward();
    });
    const driver = relaycoreDriver({ urls: [url] });
    const look = (tell: boolean) => reconcile(driver, route, desired, { tell, timeoutMs });
    expect((await look(true)).kind).toBe('open');
    expect(await look(false)).toEqual(applied);
    expect(await look(false)).toEqual({ kind: 'converged', changed: false });
  });
});

describe('a gateway that cannot be reached', () => {
  test('is open, with its address and the reason; reading it throws them', async () => {
    const url = await refusingAddress();
    const driver = relaycoreDriver({ urls: [url] });
    for (const tell of [true, false]) {
      const result = await reconcile(driver, route, desired, { tell, timeoutMs });
      expect(result).toMatchObject({ kind: 'open', detail: expect.stringMatching(/ECONNREFUSED/) });
      expect(result).toMatchObject({ detail: expect.stringContaining(new URL(url).port) });
    }
    await expect(driver.read(route, soon())).rejects.toThrow();
  });

  test('and does not answer either is given up at the deadline', async () => {
    const url = await startServer(() => undefined);
    const begun = performance.now();
    const result = await reconcile(relaycoreDriver({ urls: [url] }), route, desired, {
      tell: true,
      timeoutMs,
    });
    expect(result.kind).toBe('open');
    expect(performance.now() - begun).toBeLessThan(4 * timeoutMs);
  });
});

describe('a gateway that was changed by hand', () => {
  test('to a later generation is left alone, and said to be in conflict', async () => {
    const { url, relay } = await startGateway({ routes: { [route]: { targets } } });
    await putRoute(url, route, { weights: { a: 7_000, b: 3_000 }, generation: 9, reason: 'by hand' });
    const result = await reconcile(relaycoreDriver({ urls: [url] }), route, desired, {
      tell: false,
      timeoutMs,
    });
    expect(result).toMatchObject({ kind: 'conflict', detail: expect.stringContaining('generation 9') });
    expect(relay.state(route).weights).toEqual({ a: 7_000, b: 3_000 });
  });

  test('that lost its file is told again', async () => {
    const driver = async (stateFile: string) =>
      relaycoreDriver({ urls: [(await startGateway({ routes: { [route]: { targets } }, stateFile })).url] });
    const first = await driver(join(temporaryFolder(), 'routes.json'));
    expect(await reconcile(first, route, desired, { tell: true, timeoutMs })).toEqual(applied);
    const second = await driver(join(temporaryFolder(), 'routes.json'));
    expect(await reconcile(second, route, desired, { tell: false, timeoutMs })).toEqual(applied);
  });
});

describe('two gateways', () => {
  const start = async () => (await startGateway({ routes: { [route]: { targets } } })).url;
  const put = (url: string, generation: number) => putRoute(url, route, { ...desired, generation });

  test('of which one does not follow are open, and the detail names that one only', async () => {
    const [good, dead] = [await start(), await refusingAddress()];
    const driver = relaycoreDriver({ urls: [good, dead] });
    expect(await driver.apply(route, desired, soon())).toMatchObject({ kind: 'unknown' });
    const verified = await driver.verify(route, desired, soon());
    expect(verified).toMatchObject({ kind: 'partial', detail: expect.stringContaining('ECONNREFUSED') });
    expect(verified).not.toMatchObject({ detail: expect.stringContaining(good) });
  });

  test('of which one missed the change: both are told, and both hold it', async () => {
    const [first, second] = [await start(), await start()];
    await relaycoreDriver({ urls: [first] }).apply(route, desired, soon());
    const driver = relaycoreDriver({ urls: [first, second] });
    const later = { ...desired, reason: 'reconcile' };
    expect(await reconcile(driver, route, later, { tell: false, timeoutMs })).toMatchObject({
      kind: 'converged',
    });
    for (const url of [first, second])
      expect(await relaycoreDriver({ urls: [url] }).verify(route, desired, soon())).toEqual({
        kind: 'converged',
      });
  });

  test.each([
    ['the first', [8, 2]],
    ['the second', [2, 8]],
  ] as const)('that disagree are read as the later generation says, here %s', async (_, [one, other]) => {
    const urls = [await start(), await start()];
    await put(urls[0]!, one);
    await put(urls[1]!, other);
    expect(await relaycoreDriver({ urls }).read(route, soon())).toMatchObject({ generation: 8 });
  });

  test('of which one does not answer cannot be read: it may know a later generation', async () => {
    for (const urls of [
      [await start(), await refusingAddress()],
      [await refusingAddress(), await start()],
    ])
      await expect(relaycoreDriver({ urls }).read(route, soon())).rejects.toThrow(
        /fetch failed|ECONNREFUSED/,
      );
  });
});

test('a wrong token is refused, and the refusal says so', async () => {
  const { url } = await startGateway({ routes: { [route]: { targets } }, token: 's3cret' });
  const driver = relaycoreDriver({ urls: [url], token: 'not-the-one' });
  await expect(driver.read(route, soon())).rejects.toThrow(/answered 401 .*token_wrong/);
  expect(await driver.apply(route, desired, soon())).toMatchObject({ kind: 'rejected' });
});

test('a route that the gateway does not have is rejected, with the routes that it has', async () => {
  const { url } = await startGateway({ routes: { chat: { targets } } });
  const driver = relaycoreDriver({ urls: [url] });
  await expect(driver.read(route, soon())).rejects.toThrow(/answered 404 .*it has: chat/);
});

/** Passes reading on to a real gateway; what happens to a change is the lie's. */
async function startLiar(lie: Lie): Promise<string> {
  const { url: gateway } = await startGateway({ routes: { [route]: { targets } } });
  const pass = async (request: IncomingMessage, response: ServerResponse, body?: string) => {
    const { method = 'GET', url = '/' } = request;
    const headers = { 'content-type': 'application/json', connection: 'close' };
    const answer = await fetch(`${gateway}${url}`, { method, headers, ...(body !== undefined && { body }) });
    const content = await answer.text();
    if (!response.headersSent) response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(content);
  };
  return startServer(async (request, response) => {
    if (request.method === 'GET') return pass(request, response);
    const body = await text(request);
    return lie(() => pass(request, response, body), response);
  });
}

function instead(status: number, content = '{}'): Lie {
  return async (_, response) => void response.writeHead(status).end(content);
}

function after(status: number, content = '{}'): Lie {
  return afterForwarding(response => void response.writeHead(status).end(content));
}

/** The gateway gets the change; its answer is thrown away and another one given. */
function afterForwarding(answer: (response: ServerResponse) => void): Lie {
  return async (forward, response) => {
    const { writeHead, end } = response;
    Object.assign(response, { writeHead: () => response, end: () => response });
    await forward();
    Object.assign(response, { writeHead, end });
    answer(response);
  };
}

function breakOff(response: ServerResponse): void {
  response.destroy();
}

function half(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '100' }).write('{"success":');
  setImmediate(() => response.destroy());
}
