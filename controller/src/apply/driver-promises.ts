import type { DriverConfig } from '@relaycore/rules';
import { describe, expect, test } from 'vitest';
import type { Desired, GatewayDriver } from './driver.ts';
import { createDriver } from './drivers.ts';
import type { Wire } from './fixture.ts';
import { reconcile } from './reconcile.ts';

/** What every driver promises, whatever gateway is behind it. */

/**
 * One gateway under one driver. It has the routes `mail-filter` and `chat` with the targets a, b and c, and nobody has
 * told it anything yet.
 */
export interface Kind {
  readonly name: string;
  /** Starts a gateway and says how a driver finds it. */
  start(): Promise<{
    readonly config: DriverConfig;
    /** How the driver of the route `chat` finds it, where that is another one. */
    readonly chat?: DriverConfig;
    readonly wire?: Wire;
  }>;
  /** What a change looks like on the wire, when there is one. */
  readonly change?: RegExp;
  /** Whether a second driver for the same gateway finds what the first one told. */
  readonly outlived: boolean;
  /** Whether the gateway knows its routes. */
  readonly strict: boolean;
  /** What one call may take at most, on a busy machine; 10 s unless the gateway is slower. */
  readonly deadlineMs?: number;
}

const route = 'mail-filter';
export const targets = ['a', 'b', 'c'];
const toB: Desired = { weights: { a: 0, b: 10_000, c: 0 }, generation: 3, reason: 'a "fails"' };
const share: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 4, reason: 'a may prove itself' };

/** What a kind cannot be asked is no test of it. */
const asked = (isAsked: boolean) => (isAsked ? test : () => undefined);

export function keepsItsPromises({
  name,
  start: startGateway,
  change,
  outlived,
  strict,
  deadlineMs = 10_000,
}: Kind): void {
  const soon = () => AbortSignal.timeout(deadlineMs);
  describe(name, () => {
    const begin = async () => {
      const { config, chat = config, wire } = await startGateway();
      const connect = (): GatewayDriver => createDriver(config, targets);
      return { driver: connect(), connect, chat: () => createDriver(chat, targets), wire: wire! };
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
      const { driver, chat } = await begin();
      const other = chat();
      await driver.apply(route, share, soon());
      expect(await other.apply('chat', toB, soon())).toEqual({ kind: 'applied' });
      expect(await other.apply('chat', share, soon())).toEqual({ kind: 'applied' });
      expect(await driver.verify(route, share, soon())).toEqual({ kind: 'converged' });
    });

    test('reconciling drives it there, and then finds nothing to do', async () => {
      const driver = await start();
      const once = () => reconcile(driver, route, share, { tell: false, timeoutMs: deadlineMs });
      expect(await once()).toEqual({ kind: 'converged', changed: true });
      expect(await once()).toEqual({ kind: 'converged', changed: false });
      const again = await reconcile(driver, route, share, { tell: true, timeoutMs: deadlineMs });
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

    asked(strict)('a target that is not there is rejected, with those that are', async () => {
      const driver = await told(share);
      const strange = { weights: { ...toB.weights, b: 9_999, d: 1 }, generation: 5, reason: 'd is new' };
      const result = await driver.apply(route, strange, soon());
      expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(/d.*\ba\b.*\bb\b.*\bc\b/) });
      expect(await driver.verify(route, share, soon())).toEqual({ kind: 'converged' });
    });

    asked(strict)('a route that is not there is rejected, and what to do is said', async () => {
      const result = await (await start()).apply('mail-filer', toB, soon());
      expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(/mail-filter|backend/) });
    });

    asked(outlived)('another driver for the same gateway finds what was told', async () => {
      const { driver, connect } = await begin();
      await driver.apply(route, share, soon());
      const other = connect();
      expect(await other.read(route, soon())).toMatchObject({ weights: share.weights, generation: 4 });
      expect(await other.apply(route, share, soon())).toEqual({ kind: 'unchanged' });
      expect((await other.apply(route, toB, soon())).kind).toBe('conflict');
    });

    asked(outlived)('of two controllers at once the higher generation stays, or is told again', async () => {
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
      const look = () => reconcile(other, route, last, { tell: false, timeoutMs: deadlineMs });
      expect(await look()).toMatchObject({
        kind: 'converged',
        ...(one.capabilities().compareAndSet && { changed: false }),
      });
      expect(await look()).toEqual({ kind: 'converged', changed: false });
    });

    asked(change !== undefined)(
      'a change whose answer is lost is unclear; reading tells that it is there',
      async () => {
        const { driver, wire } = await begin();
        wire.loses = change;
        expect(await driver.apply(route, toB, soon())).toEqual({
          kind: 'unknown',
          detail: expect.any(String),
        });
        wire.loses = undefined;
        const look = () => reconcile(driver, route, toB, { tell: false, timeoutMs: deadlineMs });
        expect((await look()).kind).toBe('converged');
        expect(await look()).toEqual({ kind: 'converged', changed: false });
      },
    );

    asked(change !== undefined)(
      'a gateway that does not answer is given up at the deadline, and told later',
      async () => {
        const { driver, wire } = await begin();
        wire.silent = true;
        const begun = performance.now();
        const brief = () => AbortSignal.timeout(150);
        expect((await driver.apply(route, toB, brief())).kind).toBe('unknown');
        expect((await driver.verify(route, toB, brief())).kind).toBe('unknown');
        await expect(driver.read(route, brief())).rejects.toThrow();
        expect(performance.now() - begun).toBeLessThan(deadlineMs);
        wire.silent = false;
        const result = await reconcile(driver, route, toB, { tell: false, timeoutMs: deadlineMs });
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
}
