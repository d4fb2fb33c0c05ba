import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createClient } from '@redis/client';
import express from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDriver } from '../src/apply/drivers.ts';
import { kill, portOf, startRedisServer, startWire } from '../src/apply/fixture.ts';
import { withRoute } from '../src/apply/route-document.ts';
import {
  ask,
  openRequest,
  putRoute,
  startGateway,
  startModel,
  startServer,
  targetsAt,
  temporaryFolder,
  until,
} from './fixture.ts';
import type { FollowOptions } from './index.ts';

const route = 'mail';
/** So long that only what is announced is seen. */
const never = 600_000;

describe('Redis', () => {
  test('is followed by what it announces, change by change', async () => {
    const { url: redis } = await startRedisServer();
    const { url, relay } = await startFollowing({ redis, pollMs: never });
    const driver = documentDriver({ redis });
    await driver.tell(1, 'b');
    await until(() => relay.state(route).generation === 1);
    expect((await ask(`${url}/mail/`)).headers.get('x-relaycore-target')).toBe('b');
    for (let generation = 2; generation <= 20; generation += 1) {
      await driver.tell(generation, generation % 2 ? 'b' : 'a');
      await until(() => relay.state(route).generation === generation);
    }
    expect(relay.state(route)).toMatchObject({
      weights: { a: 10_000, b: 0 },
      reason: 'read from a route document',
    });
  });

  test('is read when a message was lost', async () => {
    const { url: redis } = await startRedisServer();
    const { relay } = await startFollowing({ redis, pollMs: 50 });
    const client = await createClient({ url: redis }).connect();
    onTestFinished(() => client.destroy());
    await client.set(`relaycore:route:${route}`, documentOf(4, 'b')); // and nothing is published
    await until(() => relay.state(route).generation === 4);
  });

  test('that was killed is followed again when it is back, and its routes stay meanwhile', async () => {
    const first = await startRedisServer();
    const { relay, events } = await startFollowing({ redis: first.url, pollMs: 50 });
    await documentDriver({ redis: first.url }).tell(7, 'b');
    await until(() => relay.state(route).generation === 7);
    await kill(first);
    await until(() => events.some(({ kind }) => kind === 'source unusable'));
    expect(relay.state(route).weights).toEqual({ a: 0, b: 10_000 });

    const second = await startRedisServer(portOf(first)); // empty
    await until(() => events.some(({ kind }) => kind === 'source usable again'), 10_000);
    expect(relay.state(route).generation).toBe(7);
    await documentDriver({ redis: second.url }).tell(8, 'a');
    await until(() => relay.state(route).generation === 8);
    expect(events.map(({ kind }) => kind)).toEqual([
      'route changed',
      'source unusable',
      'source usable again',
      'route changed',
    ]);
  });

  test('that stops answering without a word is connected to again', async () => {
    const { url } = await startRedisServer();
    const wire = await startWire(url);
    const { relay, events } = await startFollowing({ redis: `redis://${wire.address}`, pollMs: 50 });
    const driver = documentDriver({ redis: url });
    await driver.tell(1, 'b');
    await until(() => relay.state(route).generation === 1);
    wire.silent = true;
    await until(() => events.some(({ kind }) => kind === 'source unusable'), 10_000);
    wire.silent = false;
    await driver.tell(2, 'a');
    await until(() => relay.state(route).generation === 2, 10_000);
  });

  test('that is not there when the gateway starts is waited for, and the complaint has no secret', async () => {
    const first = await startRedisServer(undefined, 'requirepass right\n');
    const wrong = first.url.replace('//', '//:s3cret@');
    const refused = await startFollowing({ redis: wrong, pollMs: 50 });
    await until(() => refused.events.length > 0);
    expect(refused.events[0]?.message).toContain('WRONGPASS');
    expect(JSON.stringify(refused.events)).not.toContain('s3cret');

    await kill(first);
    const { relay, events } = await startFollowing({ redis: first.url, pollMs: 50 });
    await until(() => events.length > 0);
    expect(events[0]?.message).toContain('ECONNREFUSED');
    const { url } = await startRedisServer(portOf(first));
    await documentDriver({ redis: url }).tell(1, 'b');
    await until(() => relay.state(route).generation === 1, 10_000);
  });

  test('a stream begun before the weights change ends on the old target', async () => {
    const { url: redis } = await startRedisServer();
    const responses: ServerResponse[] = [];
    const old = await startServer((_request, response) => void responses.push(response));
    const { url, relay } = await startFollowing({ redis, pollMs: never }, old);
    const opened = openRequest(`${url}/mail/`);
    await until(() => responses.length === 1);
    responses[0]?.write('begun ');
    const { answer } = await opened;
    await documentDriver({ redis }).tell(1, 'b');
    await until(() => relay.state(route).generation === 1);
    expect((await ask(`${url}/mail/`)).headers.get('x-relaycore-target')).toBe('b');
    responses[0]?.end('and ended');
    expect(await text(answer)).toBe('begun and ended');
  });
});

describe('a file', () => {
  test('is followed when the driver replaces it, also one that was not there', async () => {
    const file = join(temporaryFolder(), 'routes.json');
    const { relay } = await startFollowing({ file, pollMs: never });
    const driver = documentDriver({ file });
    for (let generation = 1; generation <= 10; generation += 1) {
      await driver.tell(generation, generation % 2 ? 'b' : 'a');
      await until(() => relay.state(route).generation === generation);
    }
  });

  test('is found by looking where nothing is announced', async () => {
    const folder = join(temporaryFolder(), 'not', 'yet');
    const file = join(folder, 'routes.json');
    const { relay } = await startFollowing({ file, pollMs: 20 });
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, documentOf(3, 'b'));
    await until(() => relay.state(route).generation === 3);
  });

  test.each([
    ['is half written', '{ "flags": { "mail": {', 'not JSON'],
    [
      'has no generation',
      documentOf(6, 'b').replace('"generation": 6,', ''),
      'generation must be a whole number',
    ],
    ['names a stranger', documentOf(6, 'stranger'), 'weights.stranger no target of this route'],
    [
      'has rules that are none of weights',
      documentOf(6, 'b').replace('"targeting": {}', '"targeting": { "if": [] }'),
      'none of weights',
    ],
    ['holds other weights under the same generation', documentOf(5, 'a'), 'with other weights'],
  ])('that %s is complained about once, and the last known state stays', async (_name, bad, complaint) => {
    const file = join(temporaryFolder(), 'routes.json');
    const { relay, events } = await startFollowing({ file, pollMs: 5 });
    await documentDriver({ file }).tell(5, 'b');
    await until(() => relay.state(route).generation === 5);
    writeFileSync(file, bad);
    await until(() => events.some(({ message }) => message.includes(complaint)));
    for (let turn = 0; turn < 5; turn += 1) writeFileSync(file, bad);
    expect(relay.state(route)).toMatchObject({ weights: { a: 0, b: 10_000 }, generation: 5 });
    writeFileSync(file, documentOf(6, 'a'));
    await until(() => relay.state(route).generation === 6);
    await until(() => events.at(-1)?.kind === 'source usable again');
    const complaints = events.filter(
      ({ route: about, kind }) => about === route && kind === 'source unusable',
    );
    expect(complaints).toHaveLength(1);
  });

  test('that is older than what was pushed is ignored, without a word', async () => {
    const file = join(temporaryFolder(), 'routes.json');
    writeFileSync(file, documentOf(3, 'b'));
    const { url, relay, events } = await startFollowing({ file, pollMs: 5 });
    await until(() => relay.state(route).generation === 3);
    await putRoute(url, route, { weights: { a: 10_000 }, generation: 9, reason: 'pushed' });
    writeFileSync(file, documentOf(4, 'b'));
    await until(() => events.length === 2);
    writeFileSync(file, documentOf(10, 'b'));
    await until(() => relay.state(route).generation === 10);
    expect(events.map(({ kind }) => kind)).toEqual(Array(3).fill('route changed'));
  });
});

describe('another gateway', () => {
  test('is followed, and what has not changed is not sent again', async () => {
    const leader = await startGateway({ routes: routesAt('http://127.0.0.1:1'), token: 'secret' });
    const answered: number[] = [];
    const url = await startServer((request, response) => {
      response.once('finish', () => answered.push(response.statusCode));
      express().use(leader.relay.routes())(request, response);
    });
    const { relay } = await startFollowing({ url, token: 'secret', pollMs: 5 });
    const change = {
      weights: { a: 4_000, b: 6_000 },
      generation: 2,
      reason: 'b is better',
      updated_by: 'me',
    };
    await fetch(`${leader.url}/api/v1/routes/${route}`, {
      method: 'PUT',
      body: JSON.stringify(change),
      headers: { authorization: 'Bearer secret', connection: 'close' },
    });
    await until(() => relay.state(route).generation === 2);
    expect(relay.state(route)).toMatchObject({
      weights: change.weights,
      reason: 'b is better',
      updatedBy: 'me',
    });
    const before = answered.length;
    await until(() => answered.length > before + 3);
    expect(new Set(answered.slice(before + 1))).toEqual(new Set([304]));
  });

  test.each([
    ['does not know the route', 404, '{}', 'answered 404'],
    ['wants another token', 401, '{}', 'answered 401'],
    ['answers something else', 200, '<html>', 'no JSON'],
    ['answers no route', 200, '{}', 'send a JSON object'],
  ])('that %s is complained about', async (_name, status, body, complaint) => {
    const url = await startServer((_request, response) => void response.writeHead(status).end(body));
    const { relay, events } = await startFollowing({ url, pollMs: 5 });
    await until(() => events.length > 0);
    expect(events[0]).toMatchObject({
      kind: 'source unusable',
      route,
      message: expect.stringContaining(complaint),
    });
    expect(relay.state(route).generation).toBe(0);
  });
});

test('a restarted gateway goes on with what it last followed, without its source', async () => {
  const file = join(temporaryFolder(), 'routes.json');
  const stateFile = join(temporaryFolder(), 'state.json');
  writeFileSync(file, documentOf(3, 'b'));
  const first = await startFollowing({ file }, undefined, stateFile);
  await until(() => first.relay.state(route).generation === 3);
  await first.relay.close();
  const gone = join(temporaryFolder(), 'gone.json');
  const second = await startFollowing({ file: gone }, undefined, stateFile);
  expect(second.relay.state(route)).toMatchObject({ generation: 3, weights: { a: 0, b: 10_000 } });
});

test('a followed route serves also when it cannot be kept, and is kept as soon as it can be', async () => {
  const file = join(temporaryFolder(), 'routes.json');
  const stateFile = join(temporaryFolder(), 'state', 'state.json');
  mkdirSync(`${stateFile}.new`, { recursive: true }); // stands in the way of writing
  writeFileSync(file, documentOf(3, 'b'));
  const { url, relay, events } = await startFollowing({ file, pollMs: 10 }, undefined, stateFile);
  await until(() => relay.state(route).generation === 3);
  expect((await ask(`${url}/mail/`)).headers.get('x-relaycore-target')).toBe('b');
  await until(() => events.some(({ kind }) => kind === 'state not kept'));
  rmSync(`${stateFile}.new`, { recursive: true, force: true });
  await until(() => existsSync(stateFile));
  expect(JSON.parse(readFileSync(stateFile, 'utf8')).routes.mail.generation).toBe(3);
  expect(events.filter(({ kind }) => kind === 'state not kept')).toHaveLength(1);
});

test('closing does not wait for a source that hangs', async () => {
  const url = await startServer(() => {});
  const { relay } = await startFollowing({ url });
  const begunMs = performance.now();
  await relay.close();
  expect(performance.now() - begunMs).toBeLessThan(1_500);
});

function routesAt(...urls: string[]) {
  return { [route]: { targets: targetsAt(urls[0]!, urls[1] ?? urls[0]!) } };
}

async function startFollowing(follow: FollowOptions, a?: string, stateFile?: string) {
  const routes = routesAt(a ?? (await startModel('a')), await startModel('b'));
  return startGateway({ routes, follow, ...(stateFile !== undefined && { stateFile }) });
}

/** The controller's side. */
function documentDriver(place: { file: string } | { redis: string }) {
  const driver = createDriver({ kind: 'document', prefix: 'relaycore:route:', ...place }, ['a', 'b']);
  return {
    async tell(generation: number, target: string): Promise<void> {
      const desired = { weights: weightsOf(target), generation, reason: 'a test' };
      const result = await driver.apply(route, desired, AbortSignal.timeout(5_000));
      expect(result.kind).toBe('applied');
    },
  };
}

function documentOf(generation: number, target: string): string {
  return withRoute(undefined, route, { weights: weightsOf(target), generation, reason: 'by hand' });
}

function weightsOf(target: string) {
  return { a: 0, b: 0, [target]: 10_000 };
}
