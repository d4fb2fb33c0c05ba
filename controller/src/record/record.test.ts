import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { databaseKinds, rebuild, type StartedDatabase } from '../../../test/support/databases.ts';
import {
  eight,
  eventOf,
  failedOver,
  keptGenerations,
  routeState,
  upTo,
} from '../../../test/support/records.ts';
import type { Assessment, Counts, RouteState, SignalAssessment } from '../types.ts';
import { type AlertNotice, keepAlerts, listAlerts } from './alerts.ts';
import type { Database } from './database.ts';
import { keepResponse, keptResponse } from './idempotency.ts';
import { insertMetricSnapshots } from './metric-snapshots.ts';
import { migrate } from './migrations.ts';
import { commitChange, insertRouteState, loadRouteStates } from './route-states.ts';
import { listSwitchEvents, markApplied } from './switch-events.ts';

/* Everything that is recorded, on each kind of database: the SQL is the same, so the answers must be. */

describe.each(Object.entries(databaseKinds))('on %s', (_, start) => {
  let started: StartedDatabase;
  let database: Database;
  beforeAll(async () => {
    started = await start();
    database = started.database;
  });
  beforeEach(() => started.clear());
  afterAll(() => started.stop());

  describe('a transaction', () => {
    beforeEach(() => database.query('CREATE TABLE IF NOT EXISTS relaycore.notes (note text)'));

    const notes = () => database.query<{ note: string }>('SELECT note FROM relaycore.notes');

    test('a transaction that fails leaves nothing, throws its error, and the next one works', async () => {
      const failure = new Error('changed my mind');
      const failing = database.transaction(async transaction => {
        await transaction.query('INSERT INTO relaycore.notes VALUES ($1)', ['lost']);
        throw failure;
      });
      await expect(failing).rejects.toBe(failure);
      const kept = await database.transaction(async transaction => {
        await transaction.query('INSERT INTO relaycore.notes VALUES ($1)', ['kept']);
        return 'done';
      });
      expect(kept).toBe('done');
      expect(await notes()).toEqual([{ note: 'kept' }]);
    });

    test('a statement that is refused fails its transaction as a whole', async () => {
      const failing = database.transaction(async transaction => {
        await transaction.query('INSERT INTO relaycore.notes VALUES ($1)', ['lost']);
        await transaction.query('SELECT * FROM relaycore.nowhere').catch(() => undefined);
        await transaction.query('INSERT INTO relaycore.notes VALUES ($1)', ['lost too']);
      });
      await expect(failing).rejects.toThrow();
      expect(await notes()).toEqual([]);
    });
  });

  describe('the migrations', () => {
    beforeEach(() => rebuild(database));
    afterAll(() => rebuild(database));

    const applied = () =>
      database.query<{ name: string; digest: string }>(
        'SELECT name, digest FROM relaycore.schema_migrations ORDER BY name',
      );

    test('make the tables of the specification, and change nothing when run again', async () => {
      const tables = await database.query<{ table_name: string }>(
        `SELECT table_name FROM information_schema.tables WHERE table_schema = 'relaycore'`,
      );
      expect(tables.map(({ table_name }) => table_name)).toEqual(
        expect.arrayContaining(['model_performance_metrics', 'model_switch_events', 'performance_alerts']),
      );
      const before = await applied();
      expect(before.map(({ name }) => name)).toContain('001-initial');
      await migrate(database);
      expect(await applied()).toEqual(before);
    });

    test('refuse a database to which another text of a migration was applied', async () => {
      await database.query(
        `UPDATE relaycore.schema_migrations SET digest = 'edited' WHERE name = '001-initial'`,
      );
      await expect(migrate(database)).rejects.toThrow(
        'migration 001-initial is not the one that was applied; restore it and add a new migration instead',
      );
    });

    test('refuse a database that is newer than the program', async () => {
      await database.query(
        `INSERT INTO relaycore.schema_migrations (name, digest) VALUES ('999-later', 'unknown')`,
      );
      await expect(migrate(database)).rejects.toThrow(/newer than this program \(it has 999-later\); update/);
    });

    test('leave nothing behind when one of them fails', async () => {
      await database.query('DROP SCHEMA relaycore CASCADE');
      await database.query('CREATE SCHEMA relaycore');
      await database.query('CREATE TABLE relaycore.route_states (in_the_way integer)');
      await expect(migrate(database)).rejects.toThrow(/already exists/);
      const tables = await database.query(
        `SELECT table_name FROM information_schema.tables WHERE table_schema = 'relaycore'`,
      );
      expect(tables).toEqual([{ table_name: 'route_states' }]);
    });
  });

  describe('route states and their events', () => {
    const commit = (state: RouteState) => commitChange(database, state, eventOf(state));
    const history = async () => (await listSwitchEvents(database, { limit: 100 })).toReversed();
    const load = async () => (await loadRouteStates(database)).get('mail-filter');

    describe('a state', () => {
      test('comes back as it was kept', async () => {
        const override = { target: 'spam-lr', actor: 'ada', reason: 'a trial', expiresAt: eight + 1 };
        const state = failedOver({ generation: 7, backoff: { level: 2, returnedAt: eight - 5 }, override });
        await insertRouteState(database, state);
        expect(await load()).toEqual(state);
      });

      test('that exists is left alone by a second first state', async () => {
        await insertRouteState(database, routeState({ generation: 3 }));
        await insertRouteState(database, failedOver({ generation: 9 }));
        expect(await load()).toEqual(routeState({ generation: 3 }));
      });

      test('loses its override when the next one has none', async () => {
        const override = { target: 'spam-nb', actor: 'ada', reason: 'a trial', expiresAt: eight + 1 };
        await insertRouteState(database, routeState({ override }));
        await commit(failedOver({ generation: 1 }));
        expect(await load()).toEqual(failedOver({ generation: 1 }));
      });
    });

    describe('committing a change', () => {
      beforeEach(() => insertRouteState(database, routeState()));

      test('writes state and event together', async () => {
        const state = failedOver({ generation: 1, updatedAt: eight + 60_000 });
        const event = eventOf(state, { signal: 'success', score: 0.4123, decision: { words: 'so it is' } });
        expect(await commitChange(database, state, event)).toBe(true);
        expect(await load()).toEqual(state);
        expect(await history()).toEqual([{ ...event, id: expect.any(Number), outcome: 'pending' }]);
      });

      test('on a generation that has moved on says so and writes nothing', async () => {
        await commit(failedOver({ generation: 1 }));
        expect(await commit(routeState({ generation: 1 }))).toBe(false);
        expect(await load()).toEqual(failedOver({ generation: 1 }));
        expect(await history()).toHaveLength(1);
      });

      test('that skips a generation says so and writes nothing', async () => {
        expect(await commit(failedOver({ generation: 2 }))).toBe(false);
        expect(await keptGenerations(database)).toEqual({ events: [], state: 0 });
      });

      test('of a route that was never taken over says so and writes nothing', async () => {
        expect(await commit(failedOver({ route: 'chat', generation: 1 }))).toBe(false);
        expect(await keptGenerations(database, 'chat')).toEqual({ events: [], state: undefined });
      });

      test('whose event cannot be kept leaves the state as it was', async () => {
        const state = failedOver({ generation: 1 });
        const tooLong = 'x'.repeat(256);
        await expect(commitChange(database, state, eventOf(state, { actor: tooLong }))).rejects.toThrow(
          /too long/,
        );
        expect(await keptGenerations(database)).toEqual({ events: [], state: 0 });
      });

      test('back to the primary ends the failovers before it, and only those', async () => {
        const at = (generation: number) => eight + generation * 60_000;
        const cause = { signal: 'success', reason: 'bad' } as const;
        const probing = { kind: 'probing', to: 'spam-lr', since: eight, cause } as const;
        await commit(failedOver({ generation: 1, updatedAt: at(1) }));
        const probe = failedOver({ generation: 2, phase: probing, updatedAt: at(2) });
        await commitChange(database, probe, eventOf(probe, { kind: 'probe' }));
        await commit(routeState({ generation: 3, updatedAt: at(3) }));
        await commit(failedOver({ generation: 4, updatedAt: at(4) }));
        expect((await history()).map(({ kind, rolledBackAt }) => [kind, rolledBackAt])).toEqual([
          ['failover', at(3)],
          ['probe', undefined],
          ['failback', undefined],
          ['failover', undefined],
        ]);
      });

      test('many at once: each generation is won once, and none is left out', async () => {
        const rivals = 8;
        const generations = 20;
        const wins = await Promise.all(Array.from({ length: rivals }, () => rival(generations)));
        expect(wins.reduce((sum, won) => sum + won)).toBe(generations);
        expect(await keptGenerations(database)).toEqual({ events: upTo(generations), state: generations });
      });

      /** A controller that reads the state and commits the next one, as often as it may. */
      async function rival(generations: number): Promise<number> {
        for (let won = 0; ; ) {
          const { generation } = (await load())!;
          if (generation >= generations) return won;
          if (await commit(failedOver({ generation: generation + 1 }))) won += 1;
        }
      }
    });

    describe('an event', () => {
      const outcomes = async () =>
        (await history()).map(({ route, generation, outcome, appliedAt }) => [
          `${route} ${generation}`,
          outcome,
          appliedAt,
        ]);
      beforeEach(async () => {
        await insertRouteState(database, routeState());
        await insertRouteState(database, routeState({ route: 'chat' }));
        for (const generation of upTo(3)) await commit(failedOver({ generation }));
        await commit(failedOver({ route: 'chat', generation: 1 }));
      });

      test('is applied once the gateway holds it; earlier ones that never got there are superseded', async () => {
        await markApplied(database, 'mail-filter', 1, eight + 1, 'read back');
        await markApplied(database, 'mail-filter', 3, eight + 3, 'read back');
        expect(await outcomes()).toEqual([
          ['mail-filter 1', 'applied', eight + 1],
          ['mail-filter 2', 'superseded', undefined],
          ['mail-filter 3', 'applied', eight + 3],
          ['chat 1', 'pending', undefined],
        ]);
      });

      test('that was applied keeps the time of the first read-back', async () => {
        await markApplied(database, 'mail-filter', 3, eight + 3, 'read back');
        await markApplied(database, 'mail-filter', 3, eight + 99, 'read back again');
        expect((await outcomes())[2]).toEqual(['mail-filter 3', 'applied', eight + 3]);
      });
    });

    describe('the history', () => {
      beforeEach(async () => {
        await insertRouteState(database, routeState());
        await insertRouteState(database, routeState({ route: 'chat' }));
        for (const generation of upTo(7)) {
          await commit(failedOver({ generation }));
          const chat = routeState({ route: 'chat', generation });
          await commitChange(database, chat, eventOf(chat, { from: 'chat-a', to: 'chat-b', kind: 'manual' }));
        }
      });

      test('comes in pages that neither repeat nor leave out an event, also while new ones arrive', async () => {
        const seen: number[] = [];
        let before: number | undefined;
        for (;;) {
          const page = await listSwitchEvents(database, {
            route: 'mail-filter',
            limit: 3,
            ...(before !== undefined && { before }),
          });
          seen.push(...page.map(({ generation }) => generation));
          if (page.length < 3) break;
          before = page.at(-1)!.id;
          const { generation } = (await load())!;
          await commit(failedOver({ generation: generation + 1 }));
        }
        expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1]);
      });

      test.each([
        [{ route: 'chat' }, 7],
        [{ model: 'spam-nb' }, 7],
        [{ model: 'chat-b' }, 7],
        [{ kind: 'manual' }, 7],
        [{ kind: 'manual', model: 'spam-lr' }, 0],
        [{}, 14],
      ])('filtered by %o has %i events', async (filter, expected) => {
        expect(await listSwitchEvents(database, { ...filter, limit: 100 })).toHaveLength(expected);
      });
    });
  });

  describe('alerts', () => {
    const all = async () => (await listAlerts(database, { limit: 100 })).toReversed();

    test('a firing is kept with everything that it says', async () => {
      await keepAlerts(database, [firing], eight + 1_000);
      const kept = { ...firing, id: expect.any(Number), resolved: false, receivedAt: eight + 1_000 };
      expect(await all()).toEqual([kept]);
    });

    test('an alert of no model, route, signal or value is kept too', async () => {
      const { name, type, severity, message, fingerprint, startsAt, labels, annotations } = firing;
      const bare = { name, type, severity, message, fingerprint, startsAt, labels, annotations };
      await keepAlerts(database, [bare], eight);
      expect(await all()).toEqual([{ ...bare, id: expect.any(Number), resolved: false, receivedAt: eight }]);
    });

    test('the same firing again is one alert, with its newest words', async () => {
      await keepAlerts(database, [firing], eight);
      await keepAlerts(database, [{ ...firing, message: 'now 12 %', value: 0.12 }], eight + minute);
      expect(await all()).toMatchObject([
        { message: 'now 12 %', value: 0.12, receivedAt: eight, resolved: false },
      ]);
    });

    test('is resolved later, and stays so when an old delivery arrives after that', async () => {
      for (const notice of [firing, resolved, firing]) await keepAlerts(database, [notice], eight);
      expect(await all()).toMatchObject([{ resolved: true, resolvedAt: eight + 5 * minute }]);
    });

    test('a resolution whose firing was never seen is kept as a resolved alert', async () => {
      await keepAlerts(database, [resolved], eight);
      expect(await all()).toMatchObject([{ resolved: true, startsAt: eight, resolvedAt: resolved.endsAt }]);
    });

    test('the same alert firing anew is another one', async () => {
      const again = { ...firing, startsAt: eight + 60 * minute };
      for (const notice of [firing, resolved, again]) await keepAlerts(database, [notice], eight);
      expect(await all()).toMatchObject([
        { startsAt: eight, resolved: true },
        { startsAt: again.startsAt, resolved: false },
      ]);
    });

    test('a delivery is kept whole or not at all', async () => {
      const unkeepable = { ...firing, fingerprint: 'bad', severity: 'x'.repeat(21) };
      await expect(keepAlerts(database, [firing, unkeepable], eight)).rejects.toThrow(/too long/);
      expect(await all()).toEqual([]);
    });

    test('the list is filtered, and comes in pages', async () => {
      const notices = Array.from({ length: 5 }, (_, index) => ({
        ...(index === 4 ? resolved : firing),
        fingerprint: `f${index}`,
        severity: index === 0 ? 'warning' : 'critical',
        model: index === 1 ? 'spam-lr' : 'spam-nb',
      }));
      await keepAlerts(database, notices, eight);
      const found = async (filter: object) =>
        (await listAlerts(database, { limit: 2, ...filter })).map(({ fingerprint }) => fingerprint);
      expect(await found({ model: 'spam-lr' })).toEqual(['f1']);
      expect(await found({ severity: 'warning' })).toEqual(['f0']);
      expect(await found({ active: false })).toEqual(['f4']);
      expect(await found({ active: true })).toEqual(['f3', 'f2']);
      const [, second] = await listAlerts(database, { active: true, limit: 2 });
      expect(await found({ active: true, before: second!.id })).toEqual(['f1', 'f0']);
    });
  });

  describe('idempotency keys', () => {
    test('a key that was never used has no answer', async () => {
      expect(await keptResponse(database, 'k1')).toBeUndefined();
    });

    test('the first answer to a key stays, and what would be kept with another one is not done', async () => {
      await keepResponse(database, 'k1', 'digest', { generation: 1, nothing: null });
      await insertRouteState(database, routeState());
      const state = failedOver({ generation: 1 });
      const move = commitChange(database, state, eventOf(state), transaction =>
        keepResponse(transaction, 'k1', 'other digest', { generation: 2 }),
      );
      await expect(move).rejects.toThrow('idempotency_keys');
      expect(await keptGenerations(database)).toEqual({ events: [], state: 0 });
      expect(await keptResponse(database, 'k1')).toEqual({
        digest: 'digest',
        response: { generation: 1, nothing: null },
      });
    });

    test('answers are forgotten after a day, when the next one is kept', async () => {
      await keepResponse(database, 'old', 'digest', {});
      await keepResponse(database, 'young', 'digest', {});
      const age = (key: string, interval: string) =>
        database.query(
          `UPDATE relaycore.idempotency_keys SET created_at = created_at - $2::interval WHERE key = $1`,
          [key, interval],
        );
      await age('old', '25 hours');
      await age('young', '23 hours');
      await keepResponse(database, 'new', 'digest', {});
      expect(await keptResponse(database, 'old')).toBeUndefined();
      expect(await keptResponse(database, 'young')).toBeDefined();
    });
  });

  describe('metric snapshots', () => {
    const rows = () =>
      database.query<Record<string, unknown>>(
        'SELECT * FROM relaycore.model_performance_metrics ORDER BY model_id',
      );

    test('one statement keeps a row for each model', async () => {
      const statements: string[] = [];
      const watched: Database = {
        ...database,
        query: (sql, values) => {
          statements.push(sql);
          return database.query(sql, values);
        },
      };
      const models = Array.from({ length: 200 }, (_, index) => assessmentOf({ model: `m${index}` }));
      await insertMetricSnapshots(watched, models, eight);
      expect(statements).toHaveLength(1);
      expect(await rows()).toHaveLength(200);
    });

    test('a row says what was counted, and keeps the assessment', async () => {
      const signals = [
        signalOf('success', { requests: 200, bad: 3 }),
        signalOf('latency', { requests: 100, bad: 20 }),
        signalOf('accuracy', { requests: 50, bad: 6.2 }),
      ];
      await insertMetricSnapshots(database, [assessmentOf({ version: '2', signals })], eight);
      expect(await rows()).toEqual([
        {
          id: expect.any(Number),
          model_id: 'spam-nb',
          model_version: '2',
          accuracy_score: '0.8760',
          avg_latency_ms: null,
          success_rate: '0.9850',
          error_count: 3,
          total_requests: 200,
          timestamp: new Date(eight),
          slow_fraction: '0.2000',
          verdict: 'healthy',
          assessment: { verdict: { kind: 'healthy' }, signals },
        },
      ]);
    });

    test('what was not measured is null, not zero', async () => {
      const signals = [signalOf('success', { requests: 0, bad: 0 })];
      await insertMetricSnapshots(database, [assessmentOf({ signals })], eight);
      expect(await rows()).toMatchObject([
        {
          success_rate: null,
          slow_fraction: null,
          accuracy_score: null,
          total_requests: 0,
          model_version: '',
        },
      ]);
    });

    test('no model, no statement', async () => {
      await insertMetricSnapshots(database, [], eight);
      expect(await rows()).toEqual([]);
    });
  });
});

const firing: AlertNotice = {
  name: 'ModelSuccessCritical',
  type: 'success',
  severity: 'critical',
  message: 'spam-nb answers 41 % of its requests',
  fingerprint: 'c0ffee',
  startsAt: eight,
  model: 'spam-nb',
  route: 'mail-filter',
  signal: 'success',
  value: 0.41,
  threshold: 0.9,
  labels: { alertname: 'ModelSuccessCritical', model: 'spam-nb' },
  annotations: { value: '0.41' },
};
const minute = 60_000;
const resolved = { ...firing, endsAt: eight + 5 * minute };

function assessmentOf(given: Partial<Assessment>): Assessment {
  return { model: 'spam-nb', at: eight, verdict: { kind: 'healthy' }, signals: [], ...given };
}

function signalOf(signal: SignalAssessment['signal'], counts: Counts): SignalAssessment {
  const level = (name: 'warning' | 'critical') => ({
    level: name,
    stands: false,
    evidence: 0,
    evidenceThreshold: 15,
    recovery: 0,
    recoverySince: eight,
    recoveryRise: 0,
    counts: name === 'critical' ? counts : { requests: 0, bad: 0 },
    allowedBad: 0.1,
    threshold: 0.9,
    unit: 'success rate' as const,
  });
  return {
    signal,
    verdict: { kind: 'healthy' },
    requests: counts.requests,
    levels: { warning: level('warning'), critical: level('critical') },
  };
}
