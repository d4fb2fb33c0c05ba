import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ApiWorld, startApi } from '../../test/support/api.ts';
import { type StartedDatabase, startEmbedded, temporaryFolder } from '../../test/support/databases.ts';
import { policyOf } from '../../test/support/scripted-reader.ts';
import { documentDriver } from './apply/document.ts';
import { routeIn, withRoute } from './apply/route-document.ts';
import { listSwitchEvents } from './record/switch-events.ts';
import type { Weights } from './types.ts';

/* Somebody changes the gateway past the controller. The gateway reads its routes from a file, so a hand is an editor. */

const route = 'mail-filter';
const [nb, lr] = [
  { 'spam-nb': 10_000, 'spam-lr': 0 },
  { 'spam-nb': 0, 'spam-lr': 10_000 },
];
const half = { 'spam-nb': 5000, 'spam-lr': 5000 };

let started: StartedDatabase;
let file: string;
beforeAll(async () => {
  started = await startEmbedded();
});
beforeEach(async () => {
  await started.clear();
  file = join(await temporaryFolder(), 'routes.json');
});
afterAll(() => started.stop());

interface Options {
  readonly mode?: string;
  readonly keys?: string;
  readonly clock?: ApiWorld['clock'];
}

async function start({ mode = 'auto', keys = '', clock }: Options = {}): Promise<ApiWorld> {
  const policy = policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0, hard_down: { failures: 10, seconds: 10 } }
models: { spam-nb: {}, spam-lr: {} }
routes: { ${route}: { targets: [spam-nb, spam-lr], mode: ${mode}, driver: { kind: document, file: ${file} } ${keys} } }
`);
  const here = await startApi({ database: started.database, policy, ...(clock && { clock }) });
  here.drivers.set(route, documentDriver({ file, prefix: '' }));
  return here;
}

async function failedOver(options: Options = {}): Promise<ApiWorld> {
  const here = await start(options);
  await here.ticks(2);
  here.reader.behave({ 'spam-nb': 'failing' });
  await here.ticks(2);
  expect(await held()).toMatchObject({ weights: lr, generation: 1 });
  return here;
}

const held = async () => routeIn(await readFile(file, 'utf8'), route);

async function byHand(weights: Weights, generation: number): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  await writeFile(file, withRoute(text, route, { weights, generation, reason: 'by hand' }));
}

const status = ({ loop }: ApiWorld) => loop.status().routes.get(route)!;
const history = async () =>
  (await listSwitchEvents(started.database, { limit: 10 }))
    .toReversed()
    .map(({ kind, generation, actor, outcome }) => [kind, generation, actor, outcome]);

/** The gateway is looked at every ten seconds, and a hand is answered a minute after the last change. */
const aMinute = (here: ApiWorld) => here.ticks(14);

describe('restore, as shipped', () => {
  test.each([
    ['at the same generation', 1, 2],
    ['at a later one', 7, 8],
  ])('what was decided is told again: %s', async (_, set, after) => {
    const here = await failedOver();
    await byHand(half, set);
    await here.ticks(2);
    expect(status(here).gateway).toMatchObject({
      kind: 'conflict',
      detail: expect.stringContaining('by hand'),
    });
    await aMinute(here);
    expect(await held()).toMatchObject({ weights: lr, generation: after });
    expect(status(here)).toMatchObject({
      gateway: { kind: 'converged' },
      state: { generation: after, weights: lr, phase: { kind: 'failed_over', to: 'spam-lr' } },
    });
    expect(await history()).toEqual([
      ['failover', 1, 'controller', 'applied'],
      ['restore', after, 'controller', 'applied'],
    ]);
  });

  test('somebody who sets it again and again is answered once a minute', async () => {
    const here = await failedOver();
    for (let again = 0; again < 60; again++) {
      await byHand(half, 1 + again * 10);
      await here.ticks(1);
    }
    const restored = (await history()).filter(([kind]) => kind === 'restore');
    expect(restored.length).toBeGreaterThan(2);
    expect(restored.length).toBeLessThanOrEqual(5);
  });

  test('a gateway that lost its memory is told again, and nobody is said to have done it', async () => {
    const here = await failedOver();
    await rm(file);
    await here.ticks(3);
    expect(await held()).toMatchObject({ weights: lr, generation: 1 });
    expect(await history()).toHaveLength(1);
  });

  test('not before something was decided: a gateway that was taken over is followed', async () => {
    await byHand(nb, 0);
    const here = await start();
    await here.ticks(3);
    await byHand(half, 0);
    await aMinute(here);
    expect(status(here)).toMatchObject({
      state: { generation: 1, weights: half },
      gateway: { kind: 'converged' },
    });
    expect(await history()).toEqual([['adopt', 1, 'gateway', 'applied']]);
  });

  test('and one that was changed while no controller ran', async () => {
    const before = await failedOver();
    await byHand(half, 1);
    const after = await start({ clock: before.clock });
    await aMinute(after);
    expect(await held()).toMatchObject({ weights: lr, generation: 2 });
  });
});

describe('adopt', () => {
  const keys = ', changed_by_hand: adopt';

  test.each([
    ['half of it', half, { kind: 'failed_over', to: 'spam-lr', cause: { signal: 'manual' } }],
    ['all to the primary', nb, { kind: 'primary' }],
  ])('what was set is kept, as a switch by a person is: %s', async (_, weights, phase) => {
    const here = await failedOver({ keys });
    here.reader.behave({});
    await byHand(weights, 4);
    await aMinute(here);
    expect(status(here)).toMatchObject({
      state: { generation: 5, weights, phase },
      gateway: { kind: 'converged' },
    });
    expect(await held()).toMatchObject({ weights, generation: 5 });
    expect((await history()).at(-1)).toEqual(['adopt', 5, 'gateway', 'applied']);
  });

  test('not a target that the route does not have', async () => {
    const here = await failedOver({ keys });
    await byHand({ 'spam-nb': 5000, 'spam-xl': 5000 }, 1);
    await aMinute(here);
    expect(await held()).toMatchObject({ weights: lr, generation: 2 });
    expect((await history()).at(-1)![0]).toBe('restore');
  });

  test('not past a freeze', async () => {
    const here = await failedOver({ keys });
    const expires_at = new Date(here.clock.now() + 3_600_000).toISOString();
    const frozen = await here.post(`/api/v1/performance/routes/${route}/freeze`, {
      reason: 'an audit',
      actor: 'ada',
      expires_at,
    });
    expect(frozen.status).toBe(200);
    await byHand(half, 1);
    await aMinute(here);
    expect(await held()).toMatchObject({ weights: lr });
    expect((await history()).at(-1)![0]).toBe('restore');
  });
});

describe.each(['observe', 'advise'])('in mode %s the gateway is somebody else’s to move', mode => {
  test('what it does is followed, and its file is never written', async () => {
    await byHand(nb, 0);
    const here = await start({ mode });
    await here.ticks(3);
    for (const weights of [lr, half]) {
      await byHand(weights, 0);
      const written = await readFile(file, 'utf8');
      await aMinute(here);
      expect(status(here)).toMatchObject({ state: { weights }, gateway: { kind: 'converged' } });
      expect(await readFile(file, 'utf8')).toBe(written);
    }
    expect(await history()).toEqual([
      ['adopt', 1, 'gateway', 'applied'],
      ['adopt', 2, 'gateway', 'applied'],
    ]);
  });

  test('until a person switches it here', async () => {
    await byHand(nb, 0);
    const here = await start({ mode });
    await here.ticks(3);
    const asked = { route, target: 'spam-lr', reason: 'a look', actor: 'ada' };
    expect((await here.post('/api/v1/performance/switch-model', asked)).status).toBe(200);
    expect(await held()).toMatchObject({ weights: lr, generation: 1 });
  });
});
