import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendAudit, verifyAudit } from '../../controller/src/record/audit.ts';
import type { Database } from '../../controller/src/record/database.ts';
import { keepResponse, keptResponse } from '../../controller/src/record/idempotency.ts';
import { loadModelStates, saveModelStates } from '../../controller/src/record/model-states.ts';
import {
  closeProposal,
  findProposal,
  insertProposal,
  lastRefused,
  loadOpenProposals,
} from '../../controller/src/record/proposals.ts';
import { decisionKeeper } from '../../controller/src/record/route-decisions.ts';
import {
  changeHand,
  commitChange,
  freezeRoutes,
  insertRouteState,
  loadRouteStates,
  unfreezeRoutes,
} from '../../controller/src/record/route-states.ts';
import { markApplied, modelsLeftSince, outcomeOf } from '../../controller/src/record/switch-events.ts';
import type { Decision, RouteState } from '../../controller/src/types.ts';
import { type Random, seeded } from '../sim/random.ts';
import { type StartedDatabase, startServer } from '../support/databases.ts';
import { eight, eventOf, failedOver, routeState } from '../support/records.ts';
import { asDatabase, memoryDatabase } from './memory-database.ts';

/*
 * The same drawn sequence of everything that the controller asks of its record, of the real database and of the one in
 * memory: every answer has to be the same.
 */

let started: StartedDatabase;
beforeAll(async () => {
  started = await startServer();
});
afterAll(() => started.stop());

const routes = ['chat', 'mail-filter'];
const hand = (random: Random, at: number) => ({
  actor: 'ada',
  reason: 'an audit',
  expiresAt: at + Math.floor(random() * 4) * 10_000,
});

type Step = (database: Database, random: Random, at: number) => Promise<unknown>;

const held: Decision = { kind: 'hold', reason: 'healthy', words: 'it is healthy: 1' };

const steps: Readonly<Record<string, Step>> = {
  'a change': async (database, random, at) => {
    const route = pick(random, routes);
    const known = (await loadRouteStates(database)).get(route);
    const lag = random() < 0.3 ? 1 : 0;
    const make = random() < 0.5 ? routeState : failedOver;
    const generation = (known?.generation ?? 0) + 1 - lag;
    const state = { ...make({ route, generation, updatedAt: at }), ...frozenAs(known, random) };
    const decision = { kind: 'failover', reason: 'degraded' };
    return commitChange(database, state, eventOf(state, { at, decision })).catch(() => 'refused');
  },
  'a first state': (database, random) =>
    insertRouteState(
      database,
      routeState({ route: pick(random, routes), generation: Math.floor(random() * 3) }),
    ),
  'a hand': async (database, random, at) => {
    const before = (await loadRouteStates(database)).get(pick(random, routes));
    const next = { ...(random() < 0.5 && { freeze: hand(random, at) }) };
    if (!before) return undefined;
    return database.transaction(transaction => changeHand(transaction, before, next));
  },
  'a stale hand': (database, random, at) =>
    database.transaction(transaction =>
      changeHand(transaction, routeState({ freeze: hand(random, at) }), {}),
    ),
  'freeze all': (database, random, at) =>
    database.transaction(async transaction =>
      byRoute(await freezeRoutes(transaction, routes, hand(random, at))),
    ),
  'unfreeze all': (database, _random, at) =>
    database.transaction(async transaction => byRoute(await unfreezeRoutes(transaction, routes, at))),
  applied: (database, random, at) =>
    markApplied(database, pick(random, routes), Math.floor(random() * 6), at, 'read back'),
  'a proposal': (database, random, at) =>
    insertProposal(database, {
      ...{ route: pick(random, routes), generation: 1, mode: 'approve', kind: 'failover' },
      ...{ from: 'a', to: 'b', words: 'why', decision: { z: 1, a: [2] }, proposedAt: at },
      ...(random() < 0.5 && { expiresAt: at + 1000 }),
    }),
  'an answer': async (database, random, at) => {
    const open = (await loadOpenProposals(database)).get(pick(random, routes));
    const status = pick(random, ['rejected', 'approved', 'expired'] as const);
    return open && closeProposal(database, open.id, { status, at, actor: 'ada', comment: 'no' });
  },
  evidence: (database, random, at) =>
    saveModelStates(
      database,
      new Map([[pick(random, ['a', 'b']), { r: [1, null], at }]]),
      at - random() * 1e6,
    ),
  entries: async (database, random, at) => {
    const entry = {
      ...{ at, actor: 'ada', action: 'pin' as const, route: pick(random, routes), reason: 'why' },
      ...{ generationBefore: 1, generationAfter: 2, source: 'api', detail: { to: 'b', from: 'a' } },
    };
    const key = `key ${Math.floor(random() * 20)}`;
    return database
      .transaction(async transaction => {
        await keepResponse(transaction, key, 'digest', { done: at });
        await appendAudit(transaction, [{ ...entry, idempotencyKey: key }, entry]);
      })
      .catch(() => 'refused');
  },
  decisions: async (database, random, at) => {
    const keeper = decisionKeeper(database, 5_000);
    await keeper.load();
    const since = keeper.note(routeState({ route: pick(random, routes) }), held, at);
    await keeper.keepAll();
    return since;
  },
};

/** What is there, as the controller sees it. */
async function everything(database: Database, at: number) {
  return {
    states: byRoute([...(await loadRouteStates(database)).values()]),
    open: [...(await loadOpenProposals(database)).values()].toSorted((a, b) => a.id - b.id),
    found: await findProposal(database, 2),
    refused: await lastRefused(database, 'chat', { kind: 'failover', from: 'a', to: 'b' }),
    left: [...(await modelsLeftSince(database, at - 60_000))].toSorted(),
    outcomes: await Promise.all([1, 2, 3, 4].map(generation => outcomeOf(database, 'chat', generation))),
    audit: await verifyAudit(database),
    kept: await keptResponse(database, 'key 3'),
  };
}

test('the database in memory answers as the real one does', { timeout: 120_000 }, async () => {
  const real = started.database;
  const memory = asDatabase(memoryDatabase());
  const random = seeded('the same twice');
  for (let step = 0, at = eight; step < 300; step++, at += 5_000) {
    const name = pick(random, Object.keys(steps));
    const draws = Math.floor(random() * 1e9);
    const on = (database: Database) => steps[name]!(database, seeded(draws), at);
    const expected = await on(real);
    expect([step, name, await on(memory)]).toEqual([step, name, expected]);
    if (step % 10 === 0) expect(await everything(memory, at)).toEqual(await everything(real, at));
  }
  expect(await loadModelStates(memory, eight + 1_500_000)).toEqual(
    await loadModelStates(real, eight + 1_500_000),
  );
});

test('a statement that it was not taught is refused', () => {
  expect(() => memoryDatabase().query('SELECT 1 FROM relaycore.route_states')).toThrow(/teach it: SELECT 1/);
});

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

const byRoute = <T extends { readonly route: string }>(rows: readonly T[]) =>
  rows.toSorted((one, other) => (one.route < other.route ? -1 : 1));

const frozenAs = (known: RouteState | undefined, random: Random) =>
  known?.freeze && random() < 0.8 ? { freeze: known.freeze } : {};
