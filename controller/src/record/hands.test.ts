import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { databaseKinds, type StartedDatabase } from '../../../test/support/databases.ts';
import { eight, eventOf, failedOver, routeState, upTo } from '../../../test/support/records.ts';
import type { Decision, Freeze, RouteState } from '../types.ts';
import { appendAudit, listAudit, type NewAuditEntry, verifyAudit } from './audit.ts';
import type { Database } from './database.ts';
import {
  closeProposal,
  findProposal,
  insertProposal,
  lastRefused,
  listProposals,
  loadOpenProposals,
  type NewProposal,
} from './proposals.ts';
import { decisionKeeper } from './route-decisions.ts';
import { changeHand, commitChange, insertRouteState, loadRouteStates } from './route-states.ts';
import { modelsLeftSince } from './switch-events.ts';

/* What is recorded of a person's hand, on each kind of database. */

const minute = 60_000;
const freeze: Freeze = { actor: 'ada', reason: 'an audit', expiresAt: eight + 30 * minute };

describe.each(Object.entries(databaseKinds))('on %s', (_, start) => {
  let started: StartedDatabase;
  let database: Database;
  beforeAll(async () => {
    started = await start();
    database = started.database;
  });
  beforeEach(() => started.clear());
  afterAll(() => started.stop());

  const load = async () => (await loadRouteStates(database)).get('mail-filter')!;
  const commit = (state: RouteState) => commitChange(database, state, eventOf(state));

  describe('a hand on a route', () => {
    const lay = (before: RouteState, hand: Pick<RouteState, 'override' | 'freeze'>) =>
      database.transaction(transaction => changeHand(transaction, before, hand));

    test('comes back as it was laid, and leaves traffic and generation alone', async () => {
      await insertRouteState(database, failedOver({ generation: 3 }));
      expect(await lay(await load(), { freeze })).toBe(true);
      expect(await load()).toEqual(failedOver({ generation: 3, freeze }));
      expect(await lay(await load(), {})).toBe(true);
      expect(await load()).toEqual(failedOver({ generation: 3 }));
    });

    test('on a route that moved, or that somebody else froze meanwhile, is not laid', async () => {
      await insertRouteState(database, routeState());
      const before = await load();
      await lay(before, { freeze });
      expect(await lay(before, { freeze: { ...freeze, actor: 'bob' } })).toBe(false);
      await commit({ ...failedOver({ generation: 1 }), freeze });
      expect(await lay({ ...before, freeze }, {})).toBe(false);
      expect(await load()).toMatchObject({ generation: 1, freeze });
    });

    test('a change that was decided before a freeze was laid is lost; one that knows of it is not', async () => {
      await insertRouteState(database, routeState());
      await lay(await load(), { freeze });
      expect(await commit(failedOver({ generation: 1 }))).toBe(false);
      expect(await commit(failedOver({ generation: 1, freeze }))).toBe(true);
      expect(await load()).toEqual(failedOver({ generation: 1, freeze }));
    });
  });

  describe('models that failovers left', () => {
    test('are those of the controller’s own failovers since then, not of canaries that were sent back', async () => {
      await insertRouteState(database, routeState());
      const failovers = [
        { reason: 'degraded', from: 'old', actor: 'controller', at: eight },
        { reason: 'degraded', from: 'a', actor: 'controller', at: eight + 1 },
        { reason: 'backup_degraded', from: 'b', actor: 'controller', at: eight + 2 },
        { reason: 'canary_degraded', from: 'canary', actor: 'controller', at: eight + 3 },
        { reason: 'degraded', from: 'approved', actor: 'ada', at: eight + 4 },
      ];
      for (const [i, { reason, ...given }] of failovers.entries()) {
        const state = failedOver({ generation: i + 1 });
        await commitChange(database, state, eventOf(state, { ...given, decision: { reason } }));
      }
      expect(await modelsLeftSince(database, eight)).toEqual(new Set(['a', 'b']));
    });
  });

  describe('proposals', () => {
    const proposal: NewProposal = {
      route: 'mail-filter',
      generation: 0,
      mode: 'approve',
      kind: 'failover',
      from: 'spam-nb',
      to: 'spam-lr',
      words: 'success 0.412 below 0.9; spam-lr takes over',
      decision: { evidence: { requests: 812 } },
      proposedAt: eight,
      expiresAt: eight + 30 * minute,
    };
    const propose = (given: Partial<NewProposal> = {}) => insertProposal(database, { ...proposal, ...given });

    test('one is open a route; a second one is left alone', async () => {
      const first = await propose();
      expect(first).toEqual({ ...proposal, id: expect.any(Number), status: 'open' });
      expect(await propose({ to: 'spam-xl' })).toBeUndefined();
      await propose({ route: 'chat' });
      expect([...(await loadOpenProposals(database)).keys()].sort()).toEqual(['chat', 'mail-filter']);
    });

    test('is closed once, with who and what they said', async () => {
      const { id } = (await propose())!;
      const no = { status: 'rejected', at: eight + minute, actor: 'ada', comment: 'not now' } as const;
      expect(await closeProposal(database, id, no)).toBe(true);
      expect(await closeProposal(database, id, { status: 'approved', at: eight + 2 * minute })).toBe(false);
      expect(await findProposal(database, id)).toMatchObject({
        status: 'rejected',
        closedAt: eight + minute,
        actor: 'ada',
        comment: 'not now',
      });
      expect(await loadOpenProposals(database)).toEqual(new Map());
    });

    test('the last no, or no answer, to that very change is found again', async () => {
      for (const status of ['rejected', 'expired', 'withdrawn'] as const)
        await closeProposal(database, (await propose())!.id, { status, at: eight });
      await closeProposal(database, (await propose({ to: 'spam-xl' }))!.id, {
        status: 'rejected',
        at: eight,
      });
      const find = (to: string) =>
        lastRefused(database, 'mail-filter', { kind: 'failover', from: 'spam-nb', to });
      expect(await find('spam-lr')).toMatchObject({ status: 'expired' });
      expect(await find('spam-xl')).toMatchObject({ status: 'rejected' });
      expect(await find('spam-xxl')).toBeUndefined();
    });

    test('a route that moves supersedes its own, unless that was what was approved', async () => {
      await insertRouteState(database, routeState());
      const { id } = (await propose())!;
      await propose({ route: 'chat' });
      const state = failedOver({ generation: 1, updatedAt: eight + minute });
      await commitChange(database, state, eventOf(state), async transaction => {
        await closeProposal(transaction, id, { status: 'approved', at: eight + minute, actor: 'ada' });
      });
      expect(await findProposal(database, id)).toMatchObject({ status: 'approved' });
      const second = await propose();
      await commit(routeState({ generation: 2 }));
      expect(await findProposal(database, second!.id)).toMatchObject({ status: 'superseded' });
      expect([...(await loadOpenProposals(database)).keys()]).toEqual(['chat']);
    });

    test('come in pages, and filtered', async () => {
      for (const index of upTo(5))
        await closeProposal(database, (await propose({ generation: index }))!.id, {
          status: 'expired',
          at: eight,
        });
      const list = async (filter: object) =>
        (await listProposals(database, { limit: 3, ...filter })).map(({ generation }) => generation);
      expect(await list({})).toEqual([5, 4, 3]);
      const page = await listProposals(database, { limit: 3 });
      expect(await list({ before: page.at(-1)!.id })).toEqual([2, 1]);
      expect(await list({ status: 'open' })).toEqual([]);
      expect(await list({ route: 'chat' })).toEqual([]);
    });
  });

  describe('the audit log', () => {
    const entry: NewAuditEntry = {
      at: eight,
      actor: 'ada',
      action: 'pin',
      route: 'mail-filter',
      reason: 'measuring',
      generationBefore: 0,
      generationAfter: 1,
      idempotencyKey: 'k1',
      source: 'relayctl',
      detail: { target: 'spam-lr', forced: false, share: 0.1, parts: [{ b: 1, a: null }] },
    };
    const append = (...entries: readonly Partial<NewAuditEntry>[]) =>
      database.transaction(transaction =>
        appendAudit(
          transaction,
          entries.map(given => ({ ...entry, ...given })),
        ),
      );
    /** As somebody with the keys to the database could. */
    const tamper = (sql: string) =>
      database.transaction(({ script }) => script(`SET LOCAL session_replication_role = replica; ${sql}`));
    const ids = async () => (await listAudit(database, { limit: 500 })).map(({ id }) => id).toReversed();

    test('keeps what was done, and its chain holds', async () => {
      await append({});
      await append({ action: 'unpin' }, { action: 'freeze', detail: { b: 1, a: 2 } });
      const entries = await listAudit(database, { limit: 10 });
      expect(entries.map(({ action }) => action)).toEqual(['freeze', 'unpin', 'pin']);
      expect(entries[2]).toEqual({
        ...entry,
        id: expect.any(Number),
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
        previousHash: '0'.repeat(64),
      });
      const { id, hash } = entries[0]!;
      expect(await verifyAudit(database)).toEqual({ entries: 3, head: { id, hash } });
    });

    test('of nothing holds', async () => {
      expect(await verifyAudit(database)).toEqual({ entries: 0 });
    });

    test('is append-only', async () => {
      await append({});
      for (const sql of [
        `UPDATE relaycore.audit_log SET actor = 'bob'`,
        'DELETE FROM relaycore.audit_log',
        'TRUNCATE relaycore.audit_log',
      ])
        await expect(database.query(sql)).rejects.toThrow(/append-only/);
    });

    test.each([
      ['actor', `'bob'`],
      ['at', `at + interval '1 millisecond'`],
      ['action', `'unpin'`],
      ['route', `'chat'`],
      ['reason', `'another'`],
      ['generation_before', '7'],
      ['generation_after', '7'],
      ['idempotency_key', 'NULL'],
      ['source', `'api'`],
      ['detail', `jsonb_set(detail, '{parts,0,b}', '2')`],
    ])('shows that %s was changed, and where', async (column, value) => {
      await append({}, {}, {});
      const [, second] = await ids();
      await tamper(`UPDATE relaycore.audit_log SET ${column} = ${value} WHERE id = ${second}`);
      expect(await verifyAudit(database)).toMatchObject({
        entries: 2,
        broken: { id: second, problem: 'its own fields are not those that were written' },
      });
    });

    test('shows that entries were taken out', async () => {
      await append({}, {}, {}, {});
      const [first, second, third, fourth] = await ids();
      await tamper(`DELETE FROM relaycore.audit_log WHERE id = ${third}`);
      expect((await verifyAudit(database)).broken).toEqual({
        id: fourth,
        problem: 'an entry before it is missing, or was changed together with its hash',
      });
      await tamper(`DELETE FROM relaycore.audit_log WHERE id = ${first}`);
      expect((await verifyAudit(database)).broken).toEqual({
        id: second,
        problem: 'it is not the first entry that was written',
      });
    });

    test('many at once make one chain', async () => {
      await Promise.all(upTo(20).map(index => append({ reason: `${index}` }, { reason: `${index} too` })));
      expect(await verifyAudit(database)).toMatchObject({ entries: 40 });
      expect((await verifyAudit(database)).broken).toBeUndefined();
    });

    test('a long one is walked page by page', async () => {
      await append(...upTo(1001).map(index => ({ reason: `${index}` })));
      expect(await verifyAudit(database)).toMatchObject({ entries: 1001 });
      expect(await verifyAudit(database)).not.toHaveProperty('broken');
    });

    test('what is rolled back leaves no trace in it', async () => {
      await append({});
      const failing = database.transaction(async transaction => {
        await appendAudit(transaction, [entry]);
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow();
      await append({});
      expect(await verifyAudit(database)).toMatchObject({ entries: 2 });
    });
  });

  describe('decisions over time', () => {
    const healthy = (words: string): Decision => ({ kind: 'hold', reason: 'healthy', words });
    const warning: Decision = { kind: 'hold', reason: 'warning', words: 'success rate 0.93 below 0.95' };
    const second = 1000;
    const stored = () =>
      database.query<{ words: string; last: string | null; until_at: Date }>(
        `SELECT first ->> 'words' AS words, last ->> 'words' AS last, until_at
         FROM relaycore.route_decisions ORDER BY begun_at`,
      );
    beforeEach(() => insertRouteState(database, routeState()));

    test('stay one as long as the decision is the same, whatever its numbers', async () => {
      const keeper = decisionKeeper(database);
      expect(keeper.note(routeState(), healthy('0.991'), eight)).toBe(eight);
      expect(keeper.note(routeState(), healthy('0.992'), eight + 5 * second)).toBe(eight);
      expect(keeper.note(routeState(), warning, eight + 10 * second)).toBe(eight + 10 * second);
      await keeper.keepAll();
      expect(await stored()).toEqual([
        { words: '0.991', last: '0.992', until_at: new Date(eight + 5 * second) },
        { words: warning.words, last: null, until_at: new Date(eight + 10 * second) },
      ]);
    });

    test.each<[string, Partial<RouteState>, Decision]>([
      ['generation', { generation: 1 }, healthy('0.99')],
      ['target that serves', { weights: { 'spam-nb': 0, 'spam-lr': 10_000 } }, healthy('0.99')],
      ['reason', {}, warning],
      ['kind', {}, { ...healthy('0.99'), kind: 'exhausted' }],
    ])('another %s is another one', async (_, given, decision) => {
      const keeper = decisionKeeper(database);
      keeper.note(routeState(), healthy('0.99'), eight);
      expect(keeper.note(routeState(given), decision, eight + 1)).toBe(eight + 1);
    });

    test('are written every thirty seconds, not every tick, and two statements serve all routes', async () => {
      const statements: string[] = [];
      const watched: Database = {
        ...database,
        query: (sql, values) => {
          statements.push(sql.trim().split(' ')[0]!);
          return database.query(sql, values);
        },
      };
      const keeper = decisionKeeper(watched);
      for (let at = eight; at <= eight + minute; at += 5 * second) {
        for (const index of upTo(50)) keeper.note(routeState({ route: `r${index}` }), healthy(`${at}`), at);
        await keeper.keep(at);
      }
      expect(statements).toEqual(['INSERT', 'UPDATE', 'UPDATE']);
      const [row] = await stored();
      expect(row!.until_at).toEqual(new Date(eight + minute));
    });

    test('any time is answered, from memory and from what was stored', async () => {
      const keeper = decisionKeeper(database);
      keeper.note(routeState(), healthy('0.99'), eight);
      await keeper.keepAll();
      keeper.note(routeState(), warning, eight + 10 * second);
      const reasonAt = async (at: number) => (await keeper.at('mail-filter', at))?.reason;
      expect(await reasonAt(eight - 1)).toBeUndefined();
      expect(await reasonAt(eight)).toBe('healthy');
      expect(await reasonAt(eight + 9_999)).toBe('healthy');
      expect(await reasonAt(eight + 10 * second)).toBe('warning');
      expect(await keeper.at('chat', eight)).toBeUndefined();
    });

    test('go on after a restart, unless the controller was away for long', async () => {
      const before = decisionKeeper(database);
      before.note(routeState(), healthy('0.99'), eight);
      await before.keepAll();
      const soon = decisionKeeper(database);
      await soon.load();
      expect(soon.note(routeState(), healthy('0.99'), eight + 20 * second)).toBe(eight);
      await soon.keepAll();
      const late = decisionKeeper(database);
      await late.load();
      const at = eight + 20 * second + 3 * minute;
      expect(late.note(routeState(), healthy('0.99'), at)).toBe(at);
      await late.keepAll();
      expect(await stored()).toHaveLength(2);
    });

    test('what is decided anew within one instant replaces what was', async () => {
      const keeper = decisionKeeper(database);
      keeper.note(routeState(), healthy('0.99'), eight);
      keeper.note(routeState(), warning, eight);
      await keeper.keepAll();
      keeper.note(routeState(), healthy('0.99'), eight);
      await keeper.keepAll();
      expect(await stored()).toMatchObject([{ words: '0.99' }]);
    });
  });
});
