import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Policy } from '@relaycore/rules';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type StartedDatabase, startEmbedded, temporaryFolder } from '../../test/support/databases.ts';
import { type ManualClock, manualClock } from '../../test/support/manual-clock.ts';
import { type RunningPostgresql, startPostgresql } from '../../test/support/postgresql.ts';
import { keptGenerations, upTo } from '../../test/support/records.ts';
import {
  noProber,
  policyOf,
  type ScriptedReader,
  scriptedReader,
} from '../../test/support/scripted-reader.ts';
import { startGateway, targetsAt, until } from '../relay/fixture.ts';
import type { GatewayDriver } from './apply/driver.ts';
import { dryRunDriver } from './apply/dry-run.ts';
import { relaycoreDriver } from './apply/relaycore.ts';
import { createLoop, type Loop } from './loop.ts';
import { type Database, openDatabase } from './record/database.ts';
import { loadRouteStates } from './record/route-states.ts';
import { listSwitchEvents } from './record/switch-events.ts';
import { createTelemetry } from './telemetry.ts';

const tickMs = 5_000;
const route = 'mail-filter';
const policyWith = (mode: string, routes: readonly string[] = [route]) =>
  policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0, hard_down: { failures: 10, seconds: 10 } }
models: { spam-nb: {}, spam-lr: {} }
routes:
${routes.map(name => `  ${name}: { targets: [spam-nb, spam-lr], mode: ${mode} }`).join('\n')}
`);

interface World {
  readonly loop: Loop;
  readonly clock: ManualClock;
  readonly reader: ScriptedReader;
  /** One tick after the other, five seconds apart. */
  ticks(count: number): Promise<void>;
  /** The page of the controller's own metrics. */
  metrics(): Promise<string>;
}

interface Given {
  readonly database: Database;
  readonly driver?: GatewayDriver;
  readonly clock?: ManualClock;
  readonly mode?: string;
  readonly routes?: readonly string[];
  readonly policy?: Policy;
}

function world({
  database,
  driver = dryRunDriver(),
  clock = manualClock(),
  mode = 'auto',
  routes,
  policy = policyWith(mode, routes),
}: Given): World {
  const reader = scriptedReader();
  const telemetry = createTelemetry(() => loop.status());
  onTestFinished(() => telemetry.close());
  const loop = createLoop({
    policy,
    reader,
    prober: noProber,
    drivers: new Map(Object.keys(policy.routes).map(name => [name, driver])),
    database,
    clock,
    telemetry,
    log: pino({ level: 'silent' }),
  });
  return {
    loop,
    clock,
    reader,
    async metrics() {
      const server = createServer((request, response) => telemetry.handle(request, response));
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const page = await fetch(`http://127.0.0.1:${port}`).then(answer => answer.text());
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
      return page;
    },
    async ticks(count) {
      for (let tick = 0; tick < count; tick++) {
        clock.advance(tickMs);
        await loop.tick();
      }
    },
  };
}

/** A healthy start, then the primary fails until the verdict is due: the round that decides is the last one. */
async function failPrimary({ ticks, reader }: World): Promise<void> {
  await ticks(2);
  reader.behave({ 'spam-nb': 'failing' });
  await ticks(2);
}

/** A loop that runs sleeps between two rounds. */
const asleep = ({ clock }: World) => until(() => clock.sleeping() === 1, 20_000);

const statusOf = ({ loop }: World) => loop.status().routes.get(route);

describe('with the embedded database', () => {
  let started: StartedDatabase;
  let database: Database;
  beforeAll(async () => {
    started = await startEmbedded();
    database = started.database;
  });
  beforeEach(() => started.clear());
  afterAll(() => started.stop());

  const events = async () => (await listSwitchEvents(database, { limit: 100 })).toReversed();
  const outcomes = async () => (await events()).map(({ kind, to, outcome }) => [kind, to, outcome]);

  test('a primary that fails is left: committed, applied, read back', async () => {
    const driver = dryRunDriver();
    const here = world({ database, driver });
    await failPrimary(here);
    expect(statusOf(here)).toMatchObject({
      state: { generation: 1, weights: { 'spam-nb': 0, 'spam-lr': 10_000 }, phase: { kind: 'failed_over' } },
      decision: { kind: 'failover', reason: 'degraded' },
      gateway: { kind: 'converged', changed: true },
    });
    expect(await outcomes()).toEqual([['failover', 'spam-lr', 'applied']]);
    expect(await driver.read(route, AbortSignal.timeout(100))).toMatchObject({ generation: 1 });
    expect((await loadRouteStates(database)).get(route)).toEqual(statusOf(here)!.state);
  });

  test('a resource that runs out moves the route when the policy says so, and its value is in the record', async () => {
    const policy = policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0 }
models: { spam-nb: {}, spam-lr: {} }
routes: { ${route}: { targets: [spam-nb, spam-lr] } }
resources: { memory: { value: m, warning_threshold: 8e9, critical_threshold: 12e9, for_seconds: 20 } }
`);
    const here = world({ database, policy });
    await here.ticks(1);
    here.reader.uses({ 'spam-nb': { memory: 13e9 }, 'spam-lr': { memory: 1e9 } });
    await here.ticks(5);
    expect(statusOf(here)).toMatchObject({ decision: { kind: 'failover', signal: 'memory' } });
    const [event] = await events();
    expect(event).toMatchObject({
      kind: 'failover',
      signal: 'memory',
      reason: expect.stringMatching(
        /^spam-nb: memory 1\.3e10 above 1\.2e10 for 20 s at a:1; spam-lr takes over/,
      ),
      decision: { evidence: { resource: { value: 13e9, instance: 'a:1' } } },
    });
    expect(event).not.toHaveProperty('score');
  });

  test('the change is in the database before the gateway hears of it', async () => {
    const inner = dryRunDriver();
    const atApply: unknown[] = [];
    const driver: GatewayDriver = {
      ...inner,
      async apply(...told) {
        atApply.push(await keptGenerations(database), await outcomes());
        return inner.apply(...told);
      },
    };
    const here = world({ database, driver });
    await here.ticks(1);
    atApply.length = 0;
    await failPrimary(here);
    expect(atApply).toEqual([{ events: [1], state: 1 }, [['failover', 'spam-lr', 'pending']]]);
  });

  test.each(['apply', 'verify'] as const)(
    'a driver that throws in %s leaves the event pending; the next tick finishes it',
    async method => {
      const inner = dryRunDriver();
      const driver: GatewayDriver = { ...inner };
      const here = world({ database, driver });
      await here.ticks(1);
      driver[method] = async () => {
        throw new Error('the cable is out');
      };
      await failPrimary(here);
      expect(statusOf(here)).toMatchObject({
        state: { generation: 1 },
        gateway: { kind: 'open', detail: 'the cable is out' },
      });
      expect(await outcomes()).toEqual([['failover', 'spam-lr', 'pending']]);
      Object.assign(driver, inner);
      await here.ticks(1);
      expect(statusOf(here)).toMatchObject({ state: { generation: 1 }, gateway: { kind: 'converged' } });
      expect(await events()).toMatchObject([{ outcome: 'applied', appliedAt: here.clock.now() }]);
    },
  );

  test('a controller that dies between commit and apply: the next one finishes the change', async () => {
    const gateway = dryRunDriver();
    const { promise: hanging, resolve: hangs } = Promise.withResolvers<void>();
    const apply = () => new Promise<never>(() => hangs());
    const dying = world({ database, driver: { ...gateway, apply } });
    await gateway.apply(
      route,
      { weights: { 'spam-nb': 10_000, 'spam-lr': 0 }, generation: 0, reason: 'x' },
      never,
    );
    void failPrimary(dying);
    await hanging;
    expect(await outcomes()).toEqual([['failover', 'spam-lr', 'pending']]);
    const next = world({ database, driver: gateway, clock: dying.clock });
    await next.ticks(1);
    expect(await outcomes()).toEqual([['failover', 'spam-lr', 'applied']]);
    expect(await gateway.read(route, never)).toMatchObject({ generation: 1, weights: { 'spam-lr': 10_000 } });
  });

  test('a generation that another controller committed is told at the next tick', async () => {
    const gateway = dryRunDriver();
    const [one, other] = [world({ database, driver: gateway }), world({ database, driver: gateway })];
    await one.ticks(1);
    await other.ticks(1);
    await failPrimary(world({ database, driver: { ...gateway, apply: unreachable, verify: unreachable } }));
    await one.ticks(1);
    expect(statusOf(one)).toMatchObject({ state: { generation: 1 }, gateway: { kind: 'converged' } });
    expect(await outcomes()).toEqual([['failover', 'spam-lr', 'applied']]);
  });

  test('a gateway that forgets is told again within ten seconds', async () => {
    let gateway = dryRunDriver();
    const driver: GatewayDriver = {
      ...gateway,
      read: (...asked) => gateway.read(...asked),
      apply: (...told) => gateway.apply(...told),
      verify: (...asked) => gateway.verify(...asked),
    };
    const here = world({ database, driver });
    await failPrimary(here);
    gateway = dryRunDriver();
    await here.ticks(2);
    expect(await gateway.read(route, never)).toMatchObject({ generation: 1 });
    expect(statusOf(here)!.gateway).toEqual({ kind: 'converged', changed: true });
  });

  describe('a gateway that says it follows', () => {
    const policy = policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0 }
models: { spam-nb: {}, spam-lr: {} }
routes:
  ${route}: { targets: [spam-nb, spam-lr], driver: { kind: relaycore, url: 'http://127.0.0.1:1' } }
`);
    /** The backup is known to be good; from then on everything goes to the primary. */
    const begin = async (here: World) => {
      here.reader.gets({ 'spam-nb': 50, 'spam-lr': 50 });
      await here.ticks(1);
      here.reader.gets({ 'spam-nb': 50, 'spam-lr': 0 });
      await here.ticks(1);
    };
    const metrics = async (here: World) => {
      return /^relaycore_route_confirmed.* (-?\d)$/m.exec(await here.metrics())?.[1];
    };

    test('and does is confirmed by the requests', async () => {
      const here = world({ database, policy });
      await begin(here);
      expect(statusOf(here)!.traffic).toEqual({ kind: 'confirmed', since: here.clock.now() });
      await failPrimary(here);
      expect(statusOf(here)!.traffic).toEqual({ kind: 'pending', detail: 'told just now' });
      here.reader.gets({ 'spam-nb': 1, 'spam-lr': 49 });
      await here.ticks(1);
      expect(statusOf(here)!.traffic).toEqual({ kind: 'confirmed', since: here.clock.now() });
      expect(await metrics(here)).toBe('1');
    });

    test('and lies is found out within a minute, though it is read back as told', async () => {
      const here = world({ database, policy });
      await begin(here);
      await failPrimary(here);
      const movedAt = here.clock.now();
      // Half of its processes never heard of it.
      here.reader.gets({ 'spam-nb': 24, 'spam-lr': 26 });
      here.reader.behave({ 'spam-nb': 'good' });
      while (statusOf(here)!.traffic?.kind !== 'not_followed') {
        await here.ticks(1);
        expect(here.clock.now() - movedAt).toBeLessThanOrEqual(60_000);
      }
      expect(here.clock.now() - movedAt).toBeGreaterThan(30_000);
      expect(statusOf(here)).toMatchObject({
        gateway: { kind: 'converged' },
        traffic: {
          detail: 'the gateway says 0 % for spam-nb, which got 48 % of the requests in the last minute',
        },
      });
      expect(await metrics(here)).toBe('0');
      here.reader.gets({ 'spam-nb': 0, 'spam-lr': 50 });
      await here.ticks(20);
      expect(statusOf(here)!.traffic).toMatchObject({ kind: 'confirmed' });
    });
  });

  describe('a route seen for the first time', () => {
    test('takes over what its gateway does', async () => {
      const driver = dryRunDriver();
      const weights = { 'spam-nb': 0, 'spam-lr': 10_000 };
      await driver.apply(route, { weights, generation: 7, reason: 'by hand' }, never);
      const here = world({ database, driver });
      await here.ticks(1);
      expect(statusOf(here)!.state).toMatchObject({
        generation: 7,
        weights,
        phase: { kind: 'failed_over', to: 'spam-lr', cause: { signal: 'manual' } },
      });
      expect(await events()).toEqual([]);
    });

    test('is not touched until its gateway says what it does', async () => {
      const inner = dryRunDriver();
      const driver: GatewayDriver = { ...inner, read: unreachable };
      const here = world({ database, driver });
      await failPrimary(here);
      expect(statusOf(here)).toBeUndefined();
      expect(await loadRouteStates(database)).toEqual(new Map());
      expect(await inner.read(route, never)).toEqual({ weights: {} });
      driver.read = inner.read;
      // What was known before the route was taken over does not move it; the trouble that goes on does.
      await here.ticks(6);
      expect(statusOf(here)!.state.generation).toBe(1);
      expect(await outcomes()).toEqual([['failover', 'spam-lr', 'applied']]);
    });
  });

  test.each(['observe', 'advise', 'approve'])('in mode %s it decides, and moves nothing', async mode => {
    const driver = dryRunDriver();
    const here = world({ database, driver, mode });
    await failPrimary(here);
    expect(statusOf(here)).toMatchObject({
      state: { generation: 0, weights: { 'spam-nb': 10_000 } },
      decision: { kind: 'failover', to: 'spam-lr' },
    });
    expect(await keptGenerations(database)).toEqual({ events: [], state: 0 });
    expect(await driver.read(route, never)).toMatchObject({ generation: 0, weights: { 'spam-nb': 10_000 } });
  });

  test('without readings the verdicts are unknown, with the reason, and the route holds', async () => {
    const here = world({ database });
    await here.ticks(2);
    here.reader.behave({ 'spam-nb': 'failing' });
    here.reader.fail('Prometheus did not answer');
    await here.ticks(10);
    expect(here.loop.status()).toMatchObject({ problem: 'Prometheus did not answer' });
    expect(statusOf(here)).toMatchObject({
      state: { generation: 0 },
      decision: { kind: 'hold', reason: 'unknown' },
    });
    here.reader.fail(undefined);
    await here.ticks(3);
    expect(here.loop.status().problem).toBeUndefined();
    expect(statusOf(here)!.state.generation).toBe(1);
  });

  test('metrics are kept once a minute, a row for each model', async () => {
    const here = world({ database });
    const rows = async () =>
      (await database.query('SELECT id FROM relaycore.model_performance_metrics')).length;
    await here.ticks(1);
    expect(await rows()).toBe(2);
    await here.ticks(11);
    expect(await rows()).toBe(2);
    await here.ticks(1);
    expect(await rows()).toBe(4);
  });

  test('rounds and the work of people take turns, also after a failure', async () => {
    const { loop } = world({ database });
    const order: string[] = [];
    const work = (name: string) =>
      loop.exclusively(async () => {
        order.push(`${name} begins`);
        await new Promise(setImmediate);
        order.push(`${name} ends`);
        if (name === 'b') throw new Error('b broke');
      });
    const results = await Promise.allSettled([work('a'), work('b'), work('c')]);
    expect(order).toEqual(['a', 'b', 'c'].flatMap(name => [`${name} begins`, `${name} ends`]));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  test('running ticks on the clock, and stopping waits for the round in flight', async () => {
    const here = world({ database });
    const stopping = new AbortController();
    const running = here.loop.run(stopping.signal);
    await asleep(here);
    expect(here.loop.status().at).toBe(here.clock.now());
    here.clock.advance(tickMs);
    await asleep(here);
    expect(here.loop.status().at).toBe(here.clock.now());
    const reads = here.reader.reads();
    here.clock.advance(tickMs);
    stopping.abort();
    await running;
    expect(here.loop.status().problem).toBeUndefined();
    expect(here.reader.reads() - reads).toBeLessThanOrEqual(1);
  });

  test('models that fail together are one incident, and their routes stay; a single one moves', async () => {
    const names = upTo(6).map(i => `m${i}`);
    const policy = policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0 }
models: { backup: {}, ${names.map(name => `${name}: {}`).join(', ')} }
routes:
${names.map(name => `  r-${name}: { targets: [${name}, backup] }`).join('\n')}
`);
    const here = world({ database, policy });
    await here.ticks(2);
    here.reader.behave(Object.fromEntries(names.slice(0, 5).map(name => [name, 'failing'])));
    await here.ticks(6);
    expect(await events()).toEqual([]);
    expect(here.loop.status().incident?.models).toEqual(new Set(names.slice(0, 5)));
    expect(here.loop.status().routes.get('r-m1')?.decision).toMatchObject({
      kind: 'hold',
      reason: 'incident',
    });
    here.reader.behave(Object.fromEntries(names.slice(0, 5).map(name => [name, 'good'])));
    await here.ticks(10);
    expect(here.loop.status().incident).toBeUndefined();
    here.reader.behave({ m6: 'failing' });
    await here.ticks(3);
    expect(await outcomes()).toEqual([['failover', 'backup', 'applied']]);
  });

  test('evidence outlives a restart, unless it is older than ten minutes', async () => {
    const clock = manualClock();
    const failing = async (here: World, ticks: number) => {
      here.reader.behave({ 'spam-nb': 'failing' });
      await here.ticks(ticks);
    };
    const evidence = (here: World) =>
      here.loop
        .status()
        .assessments.get('spam-nb')!
        .signals.find(({ signal }) => signal === 'success')!.levels.critical;
    const before = world({ database, clock });
    await before.ticks(7);
    await failing(before, 1);
    const stopping = new AbortController();
    stopping.abort();
    await before.loop.run(stopping.signal);
    const kept = evidence(before).evidence;
    expect(kept).toBeGreaterThan(1);

    const soon = world({ database, clock });
    await failing(soon, 1);
    expect(evidence(soon).evidence).toBeGreaterThan(kept);

    clock.advance(11 * 60_000);
    const late = world({ database, clock });
    await late.ticks(1);
    await failing(late, 1);
    expect(evidence(late).evidence).toBeLessThan(kept + 0.1);
  });
});

describe('with PostgreSQL', () => {
  let server: RunningPostgresql;
  let folder: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await startPostgresql({ folder });
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function connect(url: string): Promise<Database> {
    const database = await openDatabase({ kind: 'postgresql', url, timeoutMs: 3_000 });
    onTestFinished(() => database.close());
    return database;
  }

  test('of two controllers one wins each generation, and the other one reads again', async () => {
    const routes = ['one', 'two', 'three', 'four', 'five'];
    const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2').map((target, index) => ({
      ...target,
      model: ['spam-nb', 'spam-lr'][index]!,
    }));
    const gateway = await startGateway({
      routes: Object.fromEntries(routes.map(name => [name, { targets }])),
    });
    const driver = relaycoreDriver({ urls: [gateway.url] });
    const url = await server.freshDatabase();
    const clock = manualClock();
    const worlds = [
      world({ database: await connect(url), driver, clock, routes }),
      world({ database: await connect(url), driver, clock, routes }),
    ];
    const together = async (ticks: number) => {
      for (let tick = 0; tick < ticks; tick++) {
        clock.advance(tickMs);
        await Promise.all(worlds.map(({ loop }) => loop.tick()));
      }
    };
    await together(2);
    for (const { reader } of worlds) reader.behave({ 'spam-nb': 'failing' });
    await together(3);
    const database = await connect(url);
    for (const name of routes) {
      expect(await keptGenerations(database, name)).toEqual({ events: [1], state: 1 });
      expect(gateway.relay.state(name)).toMatchObject({ generation: 1, weights: { 'spam-lr': 10_000 } });
      for (const { loop } of worlds)
        expect(loop.status().routes.get(name)).toMatchObject({
          state: { generation: 1 },
          gateway: { kind: 'converged' },
        });
    }
    expect((await listSwitchEvents(database, { limit: 100 })).map(({ outcome }) => outcome)).toEqual(
      routes.map(() => 'applied'),
    );
  });

  test('the one that loses does not touch the gateway', async () => {
    const url = await server.freshDatabase();
    const database = await connect(url);
    const told: number[] = [];
    const inner = dryRunDriver();
    const driver: GatewayDriver = {
      ...inner,
      apply: (name, desired, signal) => {
        told.push(desired.generation);
        return inner.apply(name, desired, signal);
      },
    };
    const overtaken: Database = {
      ...database,
      async transaction(work) {
        await database.query('UPDATE relaycore.route_states SET generation = generation + 1');
        return database.transaction(work);
      },
    };
    const here = world({ database: overtaken, driver });
    await here.ticks(1);
    told.length = 0;
    await failPrimary(here);
    expect(told).toEqual([]);
    expect(statusOf(here)).toMatchObject({ state: { generation: 0 }, gateway: { kind: 'open' } });
    expect(await keptGenerations(database)).toEqual({ events: [], state: 1 });
  });

  test('while the database is down nothing is decided, the reason is told, and no evidence is lost', async () => {
    const driver = dryRunDriver();
    const here = world({ database: await connect(await server.freshDatabase()), driver });
    const stopping = new AbortController();
    const running = here.loop.run(stopping.signal);
    const tick = async () => {
      here.clock.advance(tickMs);
      await asleep(here);
    };
    await asleep(here);
    await tick();
    await server.stop();
    here.reader.behave({ 'spam-nb': 'failing' });
    const reads = here.reader.reads();
    await tick();
    expect(here.loop.status().problem).toMatch(/^the round failed, so nothing is decided: /);
    expect(statusOf(here)).toMatchObject({ state: { generation: 0 }, decision: { reason: 'healthy' } });
    expect(await driver.read(route, never)).toMatchObject({ generation: 0 });
    expect(here.reader.reads()).toBe(reads);
    server = await startPostgresql({ folder, port: server.port });
    for (let round = 0; round < 3; round++) await tick();
    expect(here.loop.status().problem).toBeUndefined();
    expect(statusOf(here)!.state.generation).toBe(1);
    stopping.abort();
    await running;
  });

  test('two hundred generations of two rivals leave no gap', async () => {
    const database = await connect(await server.freshDatabase());
    const [one, other] = [world({ database }), world({ database })];
    await one.ticks(1);
    const move = async ({ loop }: World) => {
      const state = (await loadRouteStates(database)).get(route)!;
      const next = { ...state, generation: state.generation + 1, updatedAt: state.updatedAt + 1 };
      const { weights, generation } = next;
      const between = { from: 'spam-nb', to: 'spam-nb', reason: 'a race', actor: 'test' } as const;
      await loop.commit(next, {
        route,
        generation,
        weights,
        kind: 'manual',
        decision: {},
        at: 0,
        ...between,
      });
    };
    for (let round = 0; round < 100; round++)
      await Promise.all([one, other].map(each => each.loop.exclusively(() => move(each))));
    const { events, state } = await keptGenerations(database);
    expect(events).toEqual(upTo(state!));
    expect(state).toBeGreaterThanOrEqual(100);
  });
});

const never = new AbortController().signal;

async function unreachable(): Promise<never> {
  throw new Error('the gateway cannot be reached');
}
