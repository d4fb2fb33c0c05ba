import { loadPolicy } from '@relaycore/rules';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { databaseKinds, type StartedDatabase } from '../../../test/support/databases.ts';
import { assess, type ModelState, newModelState } from '../assess/assess.ts';
import type { Reading, SignalReadings } from '../types.ts';
import type { Database } from './database.ts';
import { loadModelStates, modelStateKeeper, ruleVersion, saveModelStates } from './model-states.ts';

const now = Date.UTC(2026, 0, 5, 12);
const tickMs = 5000;

describe.each(Object.entries(databaseKinds))('on %s', (_, start) => {
  let started: StartedDatabase;
  let database: Database;
  beforeAll(async () => {
    started = await start();
    database = started.database;
  });
  beforeEach(() => started.clear());
  afterAll(() => started.stop());

  const saved = () => database.query<{ model_id: string }>('SELECT model_id FROM relaycore.model_states');

  test('a model goes on after a restart as if there had been none', async () => {
    const state = newModelState(now);
    for (let tick = 1; tick <= 40; tick++) tickOnce(state, now + tick * tickMs, tick > 35 ? 20 : 1);
    await saveModelStates(database, new Map([['chat-a', state]]), now + 40 * tickMs);
    const restored = (await loadModelStates<ModelState>(database, now + 60 * tickMs)).get('chat-a')!;
    for (let tick = 41; tick <= 60; tick++) {
      const at = now + tick * tickMs;
      const [before, after] = [state, restored].map(each => JSON.stringify(tickOnce(each, at, 20)));
      expect(after).toBe(before);
    }
    expect(tickOnce(restored, now + 61 * tickMs, 20).verdict).toMatchObject({ kind: 'degraded' });
  });

  test('what is older than ten minutes, or from other rules, starts from nothing', async () => {
    await saveModelStates(database, new Map([['old', {}]]), now - 601_000);
    await saveModelStates(database, new Map([['kept', {}]]), now - 599_000);
    await saveModelStates(database, new Map([['other', {}]]), now);
    await database.query(`UPDATE relaycore.model_states SET rule_version = $1 WHERE model_id = 'other'`, [
      `${ruleVersion}-earlier`,
    ]);
    expect([...(await loadModelStates(database, now)).keys()]).toEqual(['kept']);
    expect(await saved()).toEqual([{ model_id: 'kept' }]);
  });

  test('an older state does not replace a newer one', async () => {
    await saveModelStates(database, new Map([['chat-a', { from: 'the one that decides now' }]]), now);
    await saveModelStates(database, new Map([['chat-a', { from: 'one that hung' }]]), now - tickMs);
    expect((await loadModelStates(database, now)).get('chat-a')).toEqual({
      from: 'the one that decides now',
    });
  });

  test('a fleet is saved every half minute, in turns, and as a whole at the end', async () => {
    const fleet = new Map(Array.from({ length: 4500 }, (_, i) => [`model-${i}`, { i }]));
    const keeper = modelStateKeeper(database);
    const counts: number[] = [];
    for (let tick = 0; tick < 5; tick++) {
      await keeper.keep(fleet, now + tick * tickMs);
      counts.push((await saved()).length);
    }
    expect(counts).toEqual([2000, 4000, 4500, 4500, 4500]);
    await started.clear();
    await keeper.keep(fleet, now + 29_000);
    expect(await saved()).toEqual([]);
    await keeper.keep(fleet, now + 30_000);
    expect((await saved()).length).toBe(2000);
    await keeper.keepAll(fleet, now + 31_000);
    expect((await saved()).length).toBe(4500);
  });
});

const loaded = loadPolicy('models: { chat-a: {} }');
if (loaded.kind === 'refused') throw new Error('the policy of this test is refused');
const { policy } = loaded;

function tickOnce(state: ModelState, at: number, failed: number) {
  const observations = [
    { badness: 0, count: 50 - failed },
    { badness: 1, count: failed },
  ];
  const counts: Reading = {
    kind: 'counts',
    vantage: 'server',
    levels: { warning: observations, critical: observations },
  };
  const readings: SignalReadings = { success: counts, latency: counts, accuracy: counts, feedback: counts };
  return assess(state, { model: 'chat-a', signals: policy.defaults, policy, readings, at });
}
