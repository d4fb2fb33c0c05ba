import { join } from 'node:path';
import type { DriverConfig } from '@relaycore/rules';
import { describe, expect, test } from 'vitest';
import { startGateway, targetsAt, temporaryFolder } from '../../relay/fixture.ts';
import type { Desired, GatewayDriver } from './driver.ts';
import { createDriver } from './drivers.ts';
import {
  backend,
  documentFile,
  startHaproxyGateway,
  startRedisServer,
  startRuntime,
  startTargets,
  startUpstreams,
  startWire,
  type Wire,
} from './fixture.ts';
import { reconcile } from './reconcile.ts';

/*
 * What every driver promises, whatever gateway is behind it. A new driver joins by one entry in the table; its gateway
 * has the routes `mail-filter` and `chat` with the targets a, b and c, and nobody has told it anything yet.
 */

interface Kind {
  readonly name: string;
  /** Starts a gateway and says how a driver finds it. */
  start(): Promise<{ readonly config: DriverConfig; readonly wire?: Wire }>;
  /** What a change looks like on the wire, when there is one. */
  readonly change?: RegExp;
  /** Whether a second driver for the same gateway finds what the first one told. */
  readonly outlived: boolean;
  /** Whether the gateway knows its routes. */
  readonly strict: boolean;
}

const kinds: readonly Kind[] = [
  { name: 'dry-run', start: async () => ({ config: { kind: 'dry-run' } }), outlived: false, strict: false },
  {
    name: 'relaycore',
    async start() {
      const wire = await startWire(await relayGateway());
      return { config: { kind: 'relaycore', url: `http://${wire.address}` }, wire };
    },
    change: /^PUT /,
    outlived: true,
    strict: true,
  },
  {
    name: 'relaycore with two gateways',
    start: async () => ({ config: { kind: 'relaycore', url: [await relayGateway(), await relayGateway()] } }),
    outlived: true,
    strict: true,
  },
  {
    name: 'relaycore with a token',
    start: async () => ({
      config: { kind: 'relaycore', url: `${await relayGateway('s3cret')}/`, token: 's3cret' },
    }),
    outlived: true,
    strict: true,
  },
  {
    name: 'haproxy',
    async start() {
      const wire = await startWire((await startHaproxyGateway()).url);
      return { config: { kind: 'haproxy', socket: wire.address, servers: {} }, wire };
    },
    change: /set weight/,
    outlived: true,
    strict: true,
  },
  {
    name: 'haproxy twice',
    async start() {
      const both = await Promise.all([startHaproxyGateway(), startHaproxyGateway()]);
      const socket = both.map(({ url }) => new URL(url).host);
      return { config: { kind: 'haproxy', socket, servers: {} } };
    },
    outlived: true,
    strict: true,
  },
  {
    name: 'haproxy by path, with two servers for a target',
    async start() {
      const socket = join(temporaryFolder(), 'admin.sock');
      const servers = ['a-1', 'a-2', 'b', 'c'];
      const backends = backend('mail-filter', servers) + backend('chat', servers);
      await startHaproxyGateway(`${backends}global\n  stats socket ${socket} level admin\n`);
      return { config: { kind: 'haproxy', socket, servers: { a: ['a-1', 'a-2'] } } };
    },
    outlived: true,
    strict: true,
  },
  {
    name: 'document in a file',
    start: async () => ({ config: { kind: 'document', file: documentFile(), prefix: '' } }),
    outlived: true,
    strict: false,
  },
  {
    name: 'document in Redis',
    async start() {
      const wire = await startWire((await startRedisServer()).url);
      return { config: { kind: 'document', redis: `redis://${wire.address}`, prefix: 'route:' }, wire };
    },
    change: /EVAL/,
    outlived: true,
    strict: false,
  },
  {
    name: 'http, one request for the route',
    async start() {
      const wire = await startWire(await startUpstreams());
      return { config: upstreamsConfig(wire.address, '/value/labels/generation'), wire };
    },
    change: /^PATCH /,
    outlived: true,
    strict: true,
  },
  {
    name: 'http, one request a target',
    async start() {
      const wire = await startWire((await startTargets()).url);
      const url = `http://${wire.address}/upstreams/{{route}}/targets/{{name}}`;
      const config: DriverConfig = {
        kind: 'http',
        headers: {},
        names: { a: 'a:80', b: 'b:80', c: 'c:80' },
        scale: 10_000,
        read: { url, weight: '/weight', generation: '/tags/0' },
        write: { method: 'PATCH', url, body: '{ "weight": {{weight}}, "tags": ["{{generation}}"] }' },
      };
      return { config, wire };
    },
    change: /^PATCH /,
    outlived: true,
    strict: true,
  },
  {
    name: 'http, by query',
    async start() {
      const wire = await startWire(await startRuntime());
      const query = `routing.{{route}}.a={{weight.a}}&routing.{{route}}.b={{weight.b}}&routing.{{route}}.c={{weight.c}}&relaycore.{{route}}={{generation}}`;
      const config: DriverConfig = {
        kind: 'http',
        headers: {},
        names: {},
        scale: 10_000,
        read: {
          url: `http://${wire.address}/runtime?format=json`,
          weight: '/entries/routing.{{route}}.{{name}}/final_value',
          generation: '/entries/relaycore.{{route}}/final_value',
        },
        write: { method: 'POST', url: `http://${wire.address}/runtime_modify?${query}` },
      };
      return { config, wire };
    },
    change: /^POST /,
    outlived: true,
    strict: false,
  },
  {
    name: 'http, without a place for the generation',
    start: async () => ({ config: upstreamsConfig(new URL(await startUpstreams()).host) }),
    outlived: false,
    strict: true,
  },
];

function upstreamsConfig(address: string, generation?: string): DriverConfig {
  const url = `http://${address}/apisix/admin/upstreams/{{route}}`;
  return {
    kind: 'http',
    headers: { 'x-api-key': 's3cret' },
    names: {},
    scale: 10_000,
    read: { url, weight: '/value/nodes/{{name}}', ...(generation !== undefined && { generation }) },
    write: {
      method: 'PATCH',
      url,
      body: '{ "nodes": {{weights}}, "labels": { "generation": "{{generation}}", "reason": "{{reason}}" } }',
    },
  };
}

const route = 'mail-filter';
const targets = ['a', 'b', 'c'];
const toB: Desired = { weights: { a: 0, b: 10_000, c: 0 }, generation: 3, reason: 'a "fails"' };
const share: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 4, reason: 'a may prove itself' };
const soon = () => AbortSignal.timeout(2_000);

async function relayGateway(token?: string): Promise<string> {
  const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3');
  return (await startGateway({ routes: { [route]: { targets }, chat: { targets } }, token })).url;
}

describe.each(kinds)('$name', ({ start: startGateway, change, outlived, strict }) => {
  const begin = async () => {
    const { config, wire } = await startGateway();
    const connect = (): GatewayDriver => createDriver(config, targets);
    return { driver: connect(), connect, wire: wire! };
  };
  const start = async () => (await begin()).driver;
  const told = async (...desired: Desired[]) => {
    const driver = await start();
    for (const each of desired) await driver.apply(route, each, soon());
    return driver;
  };

  test('a gateway that was told nothing says nothing, or weights that add up', async () => {
    const driver = await start();
    const { weights, generation = 0 } = await driver.read(route, soon());
    const sum = Object.values(weights).reduce((total, weight) => total + weight, 0);
    expect([0, 10_000]).toContain(sum);
    expect(generation).toBe(0);
    expect((await driver.verify(route, toB, soon())).kind).toBe('diverged');
  });

  test('a gateway that serves is left as it is until something was decided', async () => {
    const driver = await start();
    const before = await driver.read(route, soon());
    const serves = Object.keys(before.weights).length > 0;
    const result = await driver.apply(route, { ...toB, generation: 0 }, soon());
    expect(result.kind).toBe(serves ? 'conflict' : 'applied');
    if (serves) expect(await driver.read(route, soon())).toEqual(before);
  });

  test('what was applied is verified and read back', async () => {
    const driver = await start();
    expect(await driver.apply(route, toB, soon())).toEqual({ kind: 'applied' });
    expect(await driver.verify(route, toB, soon())).toEqual({ kind: 'converged' });
    expect(await driver.read(route, soon())).toMatchObject({ weights: toB.weights, generation: 3 });
  });

  test('applying it again changes nothing, and says so', async () => {
    const driver = await told(toB);
    expect(await driver.apply(route, toB, soon())).toEqual({ kind: 'unchanged' });
    expect(await driver.verify(route, toB, soon())).toEqual({ kind: 'converged' });
  });

  test('a later generation replaces it, also with the same weights', async () => {
    const driver = await told(toB);
    const later = { ...toB, generation: 4 };
    expect((await driver.verify(route, later, soon())).kind).toBe('diverged');
    expect(await driver.apply(route, later, soon())).toEqual({ kind: 'applied' });
    expect(await driver.verify(route, later, soon())).toEqual({ kind: 'converged' });
  });

  test.each([
    ['an older generation', { ...toB, generation: 3 }],
    ['an older generation with the same weights', { ...share, generation: 3 }],
    ['the same generation with other weights', { ...toB, generation: 4 }],
  ])('%s is a conflict and changes nothing', async (_, stale) => {
    const driver = await told(share);
    const result = await driver.apply(route, stale, soon());
    expect(result).toEqual({ kind: 'conflict', detail: expect.stringContaining('4') });
    expect(await driver.verify(route, share, soon())).toEqual({ kind: 'converged' });
    expect((await driver.verify(route, stale, soon())).kind).toBe('diverged');
  });

  test('of many generations at once the highest stays', async () => {
    const driver = await start();
    const many = Array.from({ length: 12 }, (_, index) => ({
      weights: { a: index, b: 10_000 - index, c: 0 },
      generation: index + 1,
      reason: 'race',
    }));
    const results = await Promise.all(many.toReversed().map(each => driver.apply(route, each, soon())));
    expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['applied', 'conflict']));
    expect(await driver.verify(route, many.at(-1)!, soon())).toEqual({ kind: 'converged' });
  });

  test('routes have generations of their own', async () => {
    const driver = await told(share);
    expect(await driver.apply('chat', toB, soon())).toEqual({ kind: 'applied' });
    expect(await driver.apply('chat', share, soon())).toEqual({ kind: 'applied' });
    expect(await driver.verify(route, share, soon())).toEqual({ kind: 'converged' });
  });

  test('reconciling drives it there, and then finds nothing to do', async () => {
    const driver = await start();
    const once = () => reconcile(driver, route, share, { tell: false, timeoutMs: 2_000 });
    expect(await once()).toEqual({ kind: 'converged', changed: true });
    expect(await once()).toEqual({ kind: 'converged', changed: false });
    const again = await reconcile(driver, route, share, { tell: true, timeoutMs: 2_000 });
    expect(again).toEqual({ kind: 'converged', changed: false });
  });

  test('it says what it can do', async () => {
    const { granularity, expectedEffectMs } = (await start()).capabilities();
    expect(granularity).toBeGreaterThan(0);
    expect(expectedEffectMs).toBeGreaterThanOrEqual(0);
  });

  test.each([
    ['all zero', { a: 0, b: 0, c: 0 }],
    ['too little', { a: 4_000, b: 4_000, c: 0 }],
    ['below zero', { a: 11_000, b: -1_000, c: 0 }],
  ])('weights that are %s are rejected and change nothing', async (_, weights) => {
    const driver = await told(share);
    const result = await driver.apply(route, { ...toB, weights, generation: 5 }, soon());
    expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(/zero|sum to|none/) });
    expect(await driver.verify(route, share, soon())).toEqual({ kind: 'converged' });
  });

  test.runIf(strict)('a target that is not there is rejected, with those that are', async () => {
    const driver = await told(share);
    const strange = { weights: { ...toB.weights, b: 9_999, d: 1 }, generation: 5, reason: 'd is new' };
    const result = await driver.apply(route, strange, soon());
    expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(/d.*\ba\b.*\bb\b.*\bc\b/) });
    expect(await driver.verify(route, share, soon())).toEqual({ kind: 'converged' });
  });

  test.runIf(strict)('a route that is not there is rejected, and what to do is said', async () => {
    const result = await (await start()).apply('mail-filer', toB, soon());
    expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(/mail-filter|backend/) });
  });

  test.runIf(outlived)('another driver for the same gateway finds what was told', async () => {
    const { driver, connect } = await begin();
    await driver.apply(route, share, soon());
    const other = connect();
    expect(await other.read(route, soon())).toMatchObject({ weights: share.weights, generation: 4 });
    expect(await other.apply(route, share, soon())).toEqual({ kind: 'unchanged' });
    expect((await other.apply(route, toB, soon())).kind).toBe('conflict');
  });

  test.runIf(outlived)(
    'of two controllers at once the higher generation stays, or is told again',
    async () => {
      const { connect } = await begin();
      const [one, other] = [connect(), connect()];
      if (one.capabilities().compareAndSet)
        await Promise.all(
          [1, 2, 3, 4, 5, 6].map(generation =>
            (generation % 2 ? one : other).apply(route, { ...toB, generation }, soon()),
          ),
        );
      else await Promise.all([one.apply(route, toB, soon()), other.apply(route, share, soon())]);
      const last = one.capabilities().compareAndSet ? { ...toB, generation: 6 } : share;
      const look = () => reconcile(other, route, last, { tell: false, timeoutMs: 2_000 });
      expect(await look()).toMatchObject({
        kind: 'converged',
        ...(one.capabilities().compareAndSet && { changed: false }),
      });
      expect(await look()).toEqual({ kind: 'converged', changed: false });
    },
  );

  test.runIf(change)('a change whose answer is lost is unclear; reading tells that it is there', async () => {
    const { driver, wire } = await begin();
    wire.loses = change;
    expect(await driver.apply(route, toB, soon())).toEqual({ kind: 'unknown', detail: expect.any(String) });
    wire.loses = undefined;
    const look = () => reconcile(driver, route, toB, { tell: false, timeoutMs: 2_000 });
    expect((await look()).kind).toBe('converged');
    expect(await look()).toEqual({ kind: 'converged', changed: false });
  });

  test.runIf(change)(
    'a gateway that does not answer is given up at the deadline, and told later',
    async () => {
      const { driver, wire } = await begin();
      wire.silent = true;
      const begun = performance.now();
      const brief = () => AbortSignal.timeout(150);
      expect((await driver.apply(route, toB, brief())).kind).toBe('unknown');
      expect((await driver.verify(route, toB, brief())).kind).toBe('unknown');
      await expect(driver.read(route, brief())).rejects.toThrow();
      expect(performance.now() - begun).toBeLessThan(2_000);
      wire.silent = false;
      const result = await reconcile(driver, route, toB, { tell: false, timeoutMs: 2_000 });
      expect(result).toEqual({ kind: 'converged', changed: true });
    },
  );

  test('secrets do not stand in what it says', async () => {
    const { driver, wire } = await begin();
    if (wire) wire.loses = /./;
    const says = [
      await driver.apply('mail-filer', toB, soon()),
      await driver.verify('mail-filer', toB, soon()),
      await driver.read('mail-filer', soon()).catch(String),
    ];
    expect(JSON.stringify(says)).not.toContain('s3cret');
  });
});
