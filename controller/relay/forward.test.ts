import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import net from 'node:net';
import { json, text } from 'node:stream/consumers';
import express from 'express';
import { describe, expect, test } from 'vitest';
import {
  ask,
  openRequest,
  putRoute,
  refusingAddress,
  seededRandom,
  startGateway,
  startModel,
  startNetServer,
  startResetting,
  startServer,
  targetsAt,
  until,
} from './fixture.ts';
import type { RouteOptions } from './index.ts';

describe('an answered request', () => {
  test('goes through whole, without the headers of one hop', async () => {
    const model = await startServer(async (request, response) => {
      response.writeHead(201, 'Made', [
        ...['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-model', 'yes'],
        ...['keep-alive', 'timeout=99', 'connection', 'x-hop', 'x-hop', 'secret'],
      ]);
      const { url, method, headers } = request;
      response.end(JSON.stringify({ url, method, headers, body: await text(request) }));
    });
    const { url, telemetry } = await startGateway(mail({}, `${model}/v1/`));
    const headers = {
      'content-type': 'text/plain',
      'x-forwarded-for': '192.0.2.7',
      'x-many': ['1', '2'],
      connection: 'close, x-private',
      'x-private': 'mine',
      te: 'trailers',
    };
    const { answer } = await openRequest(
      `${url}/mail/classify?id=7&q=%2F`,
      { method: 'PATCH', headers },
      'hello',
    );

    expect(answer).toMatchObject({ statusCode: 201, statusMessage: 'Made' });
    expect(answer.headers).toMatchObject({
      'set-cookie': ['a=1', 'b=2'],
      'x-model': 'yes',
      'x-relaycore-target': 'a',
      'x-relaycore-generation': '0',
    });
    expect(answer.headers['x-hop']).toBeUndefined();
    expect(answer.headers['keep-alive']).not.toBe('timeout=99');
    const seen = (await json(answer)) as { headers: Record<string, string> };
    expect(seen).toMatchObject({ url: '/v1/classify?id=7&q=%2F', method: 'PATCH', body: 'hello' });
    expect(seen.headers).toMatchObject({
      host: new URL(model).host,
      'x-forwarded-host': new URL(url).host,
      'x-forwarded-for': '192.0.2.7, 127.0.0.1',
      'x-many': '1, 2',
      'content-length': '5',
      connection: 'keep-alive',
    });
    for (const name of ['x-private', 'te', 'transfer-encoding'])
      expect(seen.headers).not.toHaveProperty(name);
    await until(() => telemetry.attempts.length === 1);
    expect(telemetry.attempts[0]).toMatchObject({ route: 'mail', model: 'a', version: '1', outcome: 'ok' });
  });

  test('is counted by its status; a 5xx is passed on and not retried', async () => {
    const model = await startServer((request, response) => {
      response.statusCode = Number(request.url?.slice(1));
      response.end('as it is');
    });
    const { url, telemetry } = await startGateway(mail({}, model, await startModel('b')));
    for (const status of [200, 404, 429, 500, 503]) {
      const response = await ask(`${url}/mail/${status}`);
      expect({ status: response.status, body: await response.text() }).toEqual({ status, body: 'as it is' });
    }
    await until(() => telemetry.attempts.length === 5);
    expect(telemetry.attempts.map(attempt => attempt.outcome)).toEqual([
      'ok',
      'ok',
      'rate_limited',
      'error',
      'error',
    ]);
    expect(telemetry.attempts.every(attempt => attempt.model === 'a' && !attempt.retried)).toBe(true);
  });

  test('to HEAD, and one without a body, end', async () => {
    const model = await startServer((request, response) => {
      if (request.method === 'HEAD') response.setHeader('content-length', 1_234).end();
      else response.writeHead(204).end();
    });
    const { url } = await startGateway(mail({}, model));
    const head = await ask(`${url}/mail/`, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('1234');
    expect((await ask(`${url}/mail/`)).status).toBe(204);
  });

  test('goes where the weights say, over kept connections', async () => {
    let connections = 0;
    const model = http.createServer((_request, response) => response.end());
    model.on('connection', () => {
      connections += 1;
    });
    const { url, telemetry } = await startGateway({
      ...mail({}, await startNetServer(model), await startModel('b')),
      random: seededRandom(3),
    });
    await putRoute(url, 'mail', { weights: { a: 8_000, b: 2_000 }, generation: 1, reason: 'canary' });
    const served = { a: 0, b: 0 };
    for (let index = 0; index < 500; index += 1) {
      const response = await ask(`${url}/mail/`);
      served[response.headers.get('x-relaycore-target') as 'a' | 'b'] += 1;
      await response.text();
    }
    // Four standard deviations of a binomial of 500 at 0.2.
    expect(Math.abs(served.b - 100)).toBeLessThan(36);
    expect(served.a + served.b).toBe(500);
    await until(() => telemetry.attempts.length === 500);
    expect(connections).toBeLessThan(5);
  });

  test('stays on its target for the same sticky key', async () => {
    const sticky = (request: http.IncomingMessage) => request.headers['x-user'] as string | undefined;
    const given = mail({}, await startModel('a'), await startModel('b'));
    const { url, relay } = await startGateway(given, { sticky });
    await putRoute(url, 'mail', { weights: { a: 5_000, b: 5_000 }, generation: 1, reason: 'half' });
    const users = Array.from({ length: 30 }, (_, index) => `user-${index}`);
    const served = await Promise.all(
      users.map(async user => {
        const response = await ask(`${url}/mail/`, { headers: { 'x-user': user } });
        return response.headers.get('x-relaycore-target');
      }),
    );
    expect(served).toEqual(users.map(user => relay.pick('mail', { sticky: user }).model));
    expect(new Set(served).size).toBe(2);
  });
});

describe('a target that refuses', () => {
  test('is followed by the next one, and no caller sees it', async () => {
    const given = mail({ outliers: false }, await refusingAddress(), await startModel('b'));
    const { url, telemetry, events } = await startGateway(given);
    for (let index = 0; index < 20; index += 1) {
      const response = await ask(`${url}/mail/`, { method: 'POST', body: `mail ${index}` });
      expect(response.headers.get('x-relaycore-target')).toBe('b');
      expect(await response.json()).toMatchObject({ name: 'b', body: `mail ${index}` });
    }
    await until(() => telemetry.attempts.length === 40);
    expect(telemetry.attempts.slice(0, 2)).toMatchObject([
      { model: 'a', outcome: 'refused', retried: true },
      { model: 'b', outcome: 'ok', retried: false },
    ]);
    expect(events[0]).toMatchObject({ kind: 'attempt failed', route: 'mail' });
    expect(events[0]?.message).toContain('refused, connect ECONNREFUSED');
  });

  test('is followed by one with weight before one without', async () => {
    const given = mail({}, await startModel('a'), await refusingAddress(), await startModel('c'));
    const { url } = await startGateway({ ...given, random: () => 0 });
    await putRoute(url, 'mail', { weights: { b: 9_000, c: 1_000 }, generation: 1, reason: 'a is bad' });
    expect((await ask(`${url}/mail/`)).headers.get('x-relaycore-target')).toBe('c');
  });

  test('with a body too large to keep, has not had a byte of it', async () => {
    const large = Buffer.alloc(3 * 2 ** 20, 'x');
    const { url } = await startGateway(mail({}, await refusingAddress(), await startModel('b')));
    const known = await ask(`${url}/mail/`, { method: 'POST', body: large });
    expect(await known.json()).toMatchObject({ name: 'b', body: large.toString() });
    const { answer } = await openRequest(
      `${url}/mail/`,
      { method: 'POST', headers: { 'transfer-encoding': 'chunked' } },
      large,
    );
    expect(await json(answer)).toMatchObject({ name: 'b', body: large.toString() });
  });

  test('leaves a 502 that says what was tried when all do', async () => {
    const given = mail({}, await refusingAddress(), await refusingAddress());
    const { url, telemetry } = await startGateway(given);
    const response = await ask(`${url}/mail/`);
    expect(response.status).toBe(502);
    expect(response.headers.get('x-relaycore-target')).toBeNull();
    expect(await response.json()).toMatchObject({
      success: false,
      error: {
        code: 'no_target_answered',
        tried: [
          { target: 'a', outcome: 'refused' },
          { target: 'b', outcome: 'refused' },
        ],
      },
    });
    expect(telemetry.attempts.map(attempt => attempt.retried)).toEqual([true, false]);
  });

  test('by never completing a connection, counts as refused', async () => {
    // A TLS handshake that never ends: connected for TCP, not for the request.
    const silent = (await startNetServer(net.createServer())).replace('http:', 'https:');
    const { url, telemetry } = await startGateway(
      mail({ connectTimeoutMs: 500 }, silent, await startModel('b')),
    );
    expect((await ask(`${url}/mail/`, { method: 'POST', body: 'x' })).status).toBe(200);
    expect(telemetry.attempts[0]).toMatchObject({ model: 'a', outcome: 'refused', retried: true });
  });
});

describe('a target that fails again and again', () => {
  test('is tried last for a moment, then again, and its weight stays', async () => {
    const address = await refusingAddress();
    const pauses = { baseMs: 60_000, capMs: 60_000 };
    const { url, relay, telemetry, events } = await startGateway(
      mail({ outliers: pauses }, address, await startModel('b')),
    );
    for (let index = 0; index < 8; index += 1)
      expect((await ask(`${url}/mail/`)).headers.get('x-relaycore-target')).toBe('b');
    await until(() => telemetry.attempts.length === 13);
    const ofA = telemetry.attempts.filter(attempt => attempt.model === 'a');
    expect(ofA.map(({ outcome }) => outcome)).toEqual(Array(5).fill('refused'));
    const counted = { route: 'mail', model: 'a', version: '1', event: 'avoided', shadow: false };
    expect(telemetry.noted).toEqual(Array(3).fill(counted));
    expect(relay.state('mail').weights).toEqual({ a: 10_000, b: 0 });
    expect(events.map(({ kind }) => kind).slice(0, 6)).toContain('target avoided');
  });

  test('gets its requests back after it has answered well several times', async () => {
    let isWell = false;
    const model = await startServer(
      (_request, response) => void response.writeHead(isWell ? 200 : 500).end(),
    );
    const outliers = { failuresInRow: 2, baseMs: 20, successesNeeded: 2 };
    const { url, events } = await startGateway(mail({ outliers }, model, await startModel('b')));
    const served = async () => (await ask(`${url}/mail/`)).headers.get('x-relaycore-target');
    expect([await served(), await served(), await served()]).toEqual(['a', 'a', 'b']);
    isWell = true;
    while (!events.some(({ kind }) => kind === 'target trusted again')) await served();
    expect([await served(), await served()]).toEqual(['a', 'a']);
  });
});

describe('the retry budget', () => {
  test('bounds what a dying target adds to the load of the next one', async () => {
    const { url: resetting } = await startResetting();
    const given = { outliers: false, retryBudget: { share: 0.25, minimum: 0 } } as const;
    const { url, telemetry } = await startGateway(mail(given, resetting, await startModel('b')));
    const statuses = [];
    for (let index = 0; index < 40; index += 1) {
      const response = await ask(`${url}/mail/`);
      await response.text();
      statuses.push(response.status);
    }
    expect(statuses.filter(status => status === 200)).toHaveLength(10);
    expect(statuses.filter(status => status === 502)).toHaveLength(30);
    expect(telemetry.attempts.filter(attempt => attempt.retried)).toHaveLength(10);
    expect(telemetry.noted.map(({ event }) => event)).toEqual(Array(30).fill('retry_withheld'));
  });

  test('costs refused requests nothing, since nobody has worked on them', async () => {
    const given = { outliers: false, retryBudget: { share: 0, minimum: 0 } } as const;
    const { url } = await startGateway(mail(given, await refusingAddress(), await startModel('b')));
    for (let index = 0; index < 5; index += 1) expect((await ask(`${url}/mail/`)).status).toBe(200);
  });
});

describe('a target at its capacity', () => {
  test.each([
    ['send', 200, 'a'],
    ['refuse', 503, null],
  ] as const)('leaves the rest to the next one; when all are full: %s', async (whenFull, status, target) => {
    const { model, waiting } = await startStreaming();
    const [a, b] = targetsAt(model, model).map(each => ({ ...each, capacity: { inFlight: 1 } }));
    const { url, telemetry } = await startGateway({ routes: { mail: { targets: [a!, b!], whenFull } } });
    const served = [];
    for (let index = 0; index < 2; index += 1) {
      const opened = openRequest(`${url}/mail/`);
      const upstream = await waiting();
      upstream.flushHeaders();
      served.push({ answer: (await opened).answer, upstream });
    }
    expect(served.map(({ answer }) => answer.headers['x-relaycore-target'])).toEqual(['a', 'b']);

    const third = ask(`${url}/mail/`);
    if (whenFull === 'send') (await waiting()).end();
    const response = await third;
    expect(response.status).toBe(status);
    expect(response.headers.get('x-relaycore-target')).toBe(target);
    if (status === 503) {
      expect(response.headers.get('retry-after')).toBe('1');
      expect(await response.json()).toMatchObject({ error: { code: 'no_room' } });
    }
    expect(telemetry.noted.map(({ event, model: name }) => `${event} ${name}`)).toEqual([
      'spilled a',
      'full a',
    ]);

    for (const { answer, upstream } of served) {
      upstream.end();
      await text(answer);
    }
    await until(() => telemetry.attempts.length >= 2);
    const again = ask(`${url}/mail/`);
    (await waiting()).end();
    expect((await again).headers.get('x-relaycore-target')).toBe('a');
  });

  test('is not buried: a backup that can take half gets half, and nothing fails', async () => {
    // As a saturated server: it works on four at a time and refuses more than that.
    let working = 0;
    const backup = await startServer((_request, response) => {
      working += 1;
      response.statusCode = working > 4 ? 503 : 200;
      setTimeout(() => {
        working -= 1;
        response.end('b');
      }, 10);
    });
    const targets = targetsAt(await startModel('a'), backup);
    const bounded = [targets[0]!, { ...targets[1]!, capacity: { inFlight: 4 } }];
    const { url, telemetry } = await startGateway({ routes: { mail: { targets: bounded } } });
    await putRoute(url, 'mail', { weights: { b: 10_000 }, generation: 1, reason: 'a is slow' });
    const agent = new http.Agent({ keepAlive: true });
    const caller = async () => {
      const statuses = [];
      for (let index = 0; index < 25; index += 1) {
        const { answer } = await openRequest(`${url}/mail/`, { agent });
        answer.resume();
        statuses.push(answer.statusCode);
        await once(answer, 'end');
      }
      return statuses;
    };
    const statuses = await Promise.all(Array.from({ length: 8 }, caller));
    agent.destroy();
    expect(new Set(statuses.flat())).toEqual(new Set([200]));
    const spilled = telemetry.noted.filter(({ event, model }) => event === 'spilled' && model === 'b').length;
    await until(() => telemetry.attempts.length === 200);
    expect(telemetry.attempts.filter(({ model }) => model === 'a')).toHaveLength(spilled);
    expect(spilled).toBeGreaterThan(20);
  });
});

describe('a target that resets a request it has read', () => {
  test.each([
    ['GET', 'idempotent', 200],
    ['PUT', 'idempotent', 200],
    ['POST', 'idempotent', 502],
    ['POST', 'always', 200],
  ] as const)('%s with allowRetry %s: %i', async (method, allowRetry, status) => {
    const { url: resetting, resets } = await startResetting();
    const given = mail({ allowRetry }, resetting, await startModel('b'));
    const { url, telemetry } = await startGateway(given);
    const response = await ask(`${url}/mail/`, { method, ...(method === 'GET' ? {} : { body: 'mail' }) });
    expect(response.status).toBe(status);
    await response.text();
    expect(resets()).toBe(1);
    expect(telemetry.attempts[0]).toMatchObject({ model: 'a', outcome: 'error', retried: status === 200 });
  });

  test('is not followed by another when the body was too large to keep', async () => {
    const { url: resetting } = await startResetting();
    const { url } = await startGateway(mail({ allowRetry: 'always' }, resetting, await startModel('b')));
    const response = await ask(`${url}/mail/`, { method: 'POST', body: Buffer.alloc(2 ** 21) });
    expect(response.status).toBe(502);
    await response.text();
  });

  test('in the head of its answer, is not followed by another', async () => {
    const half = net.createServer(socket => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-le'));
    });
    const { url } = await startGateway(
      mail({ allowRetry: 'always' }, await startNetServer(half), await startModel('b')),
    );
    expect((await ask(`${url}/mail/`)).status).toBe(502);
  });

  test('in the body of its answer, ends the caller’s connection too', async () => {
    const model = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half');
      setImmediate(() => response.destroy());
    });
    const { url, telemetry } = await startGateway(
      mail({ allowRetry: 'always' }, model, await startModel('b')),
    );
    const { answer } = await openRequest(`${url}/mail/`);
    await expect(text(answer)).rejects.toThrow('aborted');
    await until(() => telemetry.attempts.length === 1);
    expect(telemetry.attempts).toMatchObject([{ model: 'a', outcome: 'error', retried: false }]);
  });

  test('on a kept connection only, gets the request again on a fresh one', async () => {
    // Answers the first request of each connection, resets it at the second: a kept connection gone stale.
    let connections = 0;
    const model = net.createServer(socket => {
      connections += 1;
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        socket.once('data', () => socket.resetAndDestroy());
      });
    });
    const { url, telemetry } = await startGateway(
      mail({ allowRetry: 'always' }, await startNetServer(model)),
    );
    for (let index = 0; index < 6; index += 1) {
      const response = await ask(`${url}/mail/`, { method: 'POST', body: 'mail' });
      expect({ status: response.status, body: await response.text() }).toEqual({ status: 200, body: 'ok' });
    }
    await until(() => telemetry.attempts.length === 6);
    expect(telemetry.attempts.every(attempt => attempt.outcome === 'ok')).toBe(true);
    expect(connections).toBeGreaterThan(1);
  });
});

describe('a target that falls silent', () => {
  test('before its answer: 504, and nobody else is asked', async () => {
    const model = await startServer(() => {});
    const { url, telemetry } = await startGateway(
      mail({ attemptTimeoutMs: 50 }, model, await startModel('b')),
    );
    const response = await ask(`${url}/mail/`);
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 504,
      body: { error: { code: 'target_timeout' } },
    });
    expect(telemetry.attempts).toMatchObject([{ model: 'a', outcome: 'timeout', retried: false }]);
    expect(telemetry.attempts[0]?.seconds).toBeGreaterThan(0.045);
  });

  test('within its answer: the caller’s connection ends', async () => {
    const model = await startServer((_request, response) => void response.write('half'));
    const { url, telemetry } = await startGateway(mail({ attemptTimeoutMs: 500 }, model));
    const { answer } = await openRequest(`${url}/mail/`);
    await expect(text(answer)).rejects.toThrow('aborted');
    await until(() => telemetry.attempts.length === 1);
    expect(telemetry.attempts[0]).toMatchObject({ outcome: 'timeout' });
  });

  test('only because the caller stopped its upload, is not to blame', async () => {
    const { url, telemetry } = await startGateway(mail({ attemptTimeoutMs: 50 }, await startModel('a')));
    const headers = { 'content-length': 2 ** 22 };
    const request = http.request(`${url}/mail/`, { method: 'POST', headers, agent: false });
    request.write('the first bytes and no more');
    await once(request, 'error');
    expect(telemetry.attempts).toMatchObject([{ model: 'a', outcome: 'cancelled' }]);
  });
});

describe('a streamed answer', () => {
  test('arrives piece by piece, its head first', async () => {
    const { model, waiting } = await startStreaming();
    const { url, telemetry } = await startGateway(mail({}, model));
    const opened = openRequest(`${url}/mail/`);
    const upstream = await waiting();
    upstream.flushHeaders();
    const { answer } = await opened;
    expect(answer.headers['x-relaycore-target']).toBe('a');
    for (const piece of ['one', 'two']) {
      upstream.write(piece);
      expect(String(await nextPiece(answer))).toBe(piece);
    }
    expect(telemetry.attempts).toEqual([]);
    upstream.end();
    await once(answer, 'end');
    await until(() => telemetry.attempts.length === 1);
  });

  test('begun before the weights change ends on the old target', async () => {
    const { model, waiting } = await startStreaming();
    const { url } = await startGateway(mail({}, model, await startModel('b')));
    const opened = openRequest(`${url}/mail/`);
    const upstream = await waiting();
    upstream.write('begun ');
    const { answer } = await opened;
    await putRoute(url, 'mail', { weights: { b: 10_000 }, generation: 1, reason: 'a is bad' });
    expect((await ask(`${url}/mail/`)).headers.get('x-relaycore-target')).toBe('b');
    upstream.end('and ended');
    expect(await text(answer)).toBe('begun and ended');
    expect(answer.headers).toMatchObject({ 'x-relaycore-target': 'a', 'x-relaycore-generation': '0' });
  });

  test('ends at the target when the caller leaves', async () => {
    const { model, waiting } = await startStreaming();
    const { url, telemetry } = await startGateway(
      mail({ allowRetry: 'always' }, model, await startModel('b')),
    );
    const opened = openRequest(`${url}/mail/`);
    const upstream = await waiting();
    upstream.write('begun');
    const { request, answer } = await opened;
    answer.on('error', () => {});
    request.destroy();
    await once(upstream, 'close');
    await until(() => telemetry.attempts.length === 1);
    expect(telemetry.attempts).toMatchObject([{ model: 'a', outcome: 'cancelled', retried: false }]);
  });
});

test('events that a model sends arrive as they come; when it dies between two, nobody else is asked', async () => {
  const { model, waiting } = await startStreaming();
  const { url, telemetry } = await startGateway(mail({ allowRetry: 'always' }, model, await startModel('b')));
  const opened = openRequest(`${url}/mail/`, { method: 'POST' }, 'write me a poem');
  const upstream = await waiting();
  upstream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  upstream.write('data: roses\n\n');
  const { answer } = await opened;
  expect(answer.headers).toMatchObject({
    'content-type': 'text/event-stream',
    'transfer-encoding': 'chunked',
    'cache-control': 'no-store',
  });
  expect(String(await nextPiece(answer))).toBe('data: roses\n\n');
  upstream.write('data: are\n\n');
  expect(String(await nextPiece(answer))).toBe('data: are\n\n');
  upstream.destroy();
  await expect(text(answer)).rejects.toThrow('aborted');
  await until(() => telemetry.attempts.length === 1);
  expect(telemetry.attempts).toMatchObject([{ model: 'a', outcome: 'error', retried: false }]);
});

test('a caller that leaves before the answer ends the request to the target', async () => {
  const { model, waiting } = await startStreaming();
  const { url, telemetry } = await startGateway(mail({ allowRetry: 'always' }, model, await startModel('b')));
  const request = http.get(`${url}/mail/`, { agent: false }).on('error', () => {});
  const upstream = await waiting();
  request.destroy();
  await once(upstream, 'close');
  await until(() => telemetry.attempts.length === 1);
  expect(telemetry.attempts).toMatchObject([{ model: 'a', outcome: 'cancelled', retried: false }]);
});

describe('a large body that its target does not read to the end', () => {
  const refusing = () => startServer((_request, response) => void response.writeHead(413).end());

  test.each([
    ['but answers', refusing, 413],
    ['but resets', async () => (await startResetting()).url, 502],
    ['but refuses', refusingAddress, 502],
  ])('%s: the caller’s connection stays usable', async (_name, startTarget, status) => {
    const { url } = await startGateway(mail({}, await startTarget()));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const upload = async () => {
      const options = { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, agent };
      const { answer } = await openRequest(`${url}/mail/`, options, Buffer.alloc(2 ** 22));
      const connection = answer.socket.localPort;
      await text(answer);
      return { status: answer.statusCode, connection };
    };
    const first = await upload();
    expect(first.status).toBe(status);
    expect(await upload()).toEqual(first);
    agent.destroy();
  });
});

test('a body that something else has read is reported, not waited for', async () => {
  const { relay } = await startGateway(mail({}, await startModel('a')));
  const url = await startServer(express().use(express.json()).use('/mail', relay.forward('mail')));
  const response = await ask(`${url}/mail/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect({ status: response.status, body: await response.json() }).toMatchObject({
    status: 500,
    body: { error: { code: 'body_already_read' } },
  });
});

describe('close', () => {
  test('waits for answers under way and refuses new requests', async () => {
    const { model, waiting } = await startStreaming();
    const { url, relay, telemetry } = await startGateway(mail({}, model));
    const opened = openRequest(`${url}/mail/`);
    const upstream = await waiting();
    upstream.write('begun ');
    const { answer } = await opened;
    const closed = relay.close();
    expect((await ask(`${url}/mail/`)).status).toBe(503);
    upstream.end('and ended');
    expect(await text(answer)).toBe('begun and ended');
    await closed;
    expect(telemetry.attempts).toMatchObject([{ outcome: 'ok' }]);
    expect(telemetry.readRoutes()).toEqual([]);
  });

  test('ends what is left at its deadline', async () => {
    const { model, waiting } = await startStreaming();
    const { url, relay, telemetry } = await startGateway(mail({}, model));
    const request = http.get(`${url}/mail/`, { agent: false });
    const failed = once(request, 'error');
    await waiting();
    await relay.close({ deadlineMs: 20 });
    await failed;
    expect(telemetry.attempts).toMatchObject([{ outcome: 'cancelled' }]);
  });
});

test('targets are declared, and unknown routes are errors', async () => {
  const { relay, telemetry } = await startGateway(mail({}, await startModel('a'), await startModel('b')));
  expect(telemetry.declared).toEqual([
    { route: 'mail', model: 'a', version: '1' },
    { route: 'mail', model: 'b', version: '1' },
  ]);
  for (const use of [relay.pick, relay.state, relay.forward])
    expect(() => use('males')).toThrow('unknown route "males"; this gateway has: mail');
});

function mail(options: Omit<RouteOptions, 'targets'>, ...urls: string[]) {
  return { routes: { mail: { ...options, targets: targetsAt(...urls) } } };
}

/** A model whose answers the test writes; `waiting` hands out the next request's response. */
async function startStreaming() {
  const responses: ServerResponse[] = [];
  const model = await startServer((_request, response) => void responses.push(response));
  return {
    model,
    async waiting(): Promise<ServerResponse> {
      await until(() => responses.length > 0);
      return responses.shift()!;
    },
  };
}

async function nextPiece(answer: http.IncomingMessage): Promise<unknown> {
  const [piece] = await once(answer, 'data');
  return piece;
}
