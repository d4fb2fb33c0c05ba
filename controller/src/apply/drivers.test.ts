import { describe, expect, test } from 'vitest';
import { startGateway, targetsAt } from '../../relay/fixture.ts';
import type { Desired, GatewayDriver } from './driver.ts';
import { createDriver } from './drivers.ts';
import { reconcile } from './reconcile.ts';

/*
 * What every driver promises, whatever gateway is behind it. A new driver joins by one line in the table; its gateway
 * has the routes `mail-filter` and `chat` with the targets a, b and c, and nobody has told it anything yet.
 */

const kinds: readonly (readonly [string, () => Promise<GatewayDriver>])[] = [
  ['dry-run', async () => createDriver({ kind: 'dry-run' })],
  ['relaycore', async () => createDriver({ kind: 'relaycore', url: await relayGateway() })],
  [
    'relaycore with two gateways',
    async () => createDriver({ kind: 'relaycore', url: [await relayGateway(), await relayGateway()] }),
  ],
  [
    'relaycore with a token',
    async () => createDriver({ kind: 'relaycore', url: `${await relayGateway('s3cret')}/`, token: 's3cret' }),
  ],
];

const route = 'mail-filter';
const toB: Desired = { weights: { a: 0, b: 10_000, c: 0 }, generation: 3, reason: 'a fails' };
const share: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 4, reason: 'a may prove itself' };
const soon = () => AbortSignal.timeout(2_000);

async function relayGateway(token?: string): Promise<string> {
  const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3');
  return (await startGateway({ routes: { [route]: { targets }, chat: { targets } }, token })).url;
}

describe.each(kinds)('%s', (_, start) => {
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
    const { granularity, expectedEffectMs, compareAndSet } = (await start()).capabilities();
    expect(granularity).toBeGreaterThan(0);
    expect(expectedEffectMs).toBeGreaterThanOrEqual(0);
    expect(compareAndSet).toBe(true);
  });
});
