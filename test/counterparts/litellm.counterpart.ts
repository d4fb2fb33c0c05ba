import { describe, expect, test } from 'vitest';
import type { Desired, GatewayDriver } from '../../controller/src/apply/driver.ts';
import { keepsItsPromises, targets } from '../../controller/src/apply/driver-promises.ts';
import { createDriver } from '../../controller/src/apply/drivers.ts';
import { litellmToken, startWire } from '../../controller/src/apply/fixture.ts';
import { answerTo, change, list, type Step, servedBy } from './litellm-requests.ts';
import { fixedId, setStage } from './litellm-stage.ts';

/* LiteLLM's proxy itself, on PostgreSQL with two upstreams, beside the fake that stands for it in `npm test`. */

const { startFake, startReal, second } = setStage();
const both = [
  ['litellm, its fake', startFake],
  ['litellm, the real one', startReal],
] as const;

const deadlineMs = 30_000;
const soon = () => AbortSignal.timeout(deadlineMs);
const route = 'mail-filter';
const desiredAt = (generation: number, weights: Desired['weights']): Desired => ({
  ...{ generation, weights },
  reason: 'to see what comes of it',
});
const driverAt = (url: string | string[]) =>
  createDriver({ kind: 'litellm', url, token: litellmToken, deployments: {} }, targets);

for (const [name, start] of both)
  keepsItsPromises({
    name,
    async start() {
      const wire = await startWire(await start());
      const config = { kind: 'litellm', url: `http://${wire.address}`, token: litellmToken } as const;
      const inChat = { a: 'chat-a', b: 'chat-b', c: 'chat-c' };
      return { config: { ...config, deployments: {} }, chat: { ...config, deployments: inChat }, wire };
    },
    change: /^PATCH /,
    outlived: true,
    strict: true,
    deadlineMs,
  });

describe.each(both)('%s', (_, start) => {
  test('requests go where the weights say, by x-litellm-model-id', async () => {
    const url = await start();
    const driver = driverAt(url);
    await driver.apply(route, desiredAt(1, { a: 0, b: 10_000, c: 0 }), soon());
    expect(await servedBy(url, 30)).toEqual({ b: 30 });
    await driver.apply(route, desiredAt(2, { a: 2_000, b: 8_000, c: 0 }), soon());
    const { a = 0, b = 0, ...others } = await servedBy(url, 100);
    expect({ sum: a + b, others }).toEqual({ sum: 100, others: {} });
    expect(a).toBeGreaterThan(4); // of 20 that are to be expected; fewer come once in 100,000 runs, as more than 40
    expect(a).toBeLessThan(41);
  });

  test('requests go to all alike when somebody sets every weight to zero', async () => {
    const url = await start();
    await answerTo(url, change('a', { litellm_params: { weight: 0 } }));
    expect(Object.keys(await servedBy(url, 60)).sort()).toEqual(targets);
    expect((await driverAt(url).read(route, soon())).weights).toEqual({ a: 3_333, b: 3_334, c: 3_333 });
  });
});

describe('litellm', () => {
  const note = { generation: 3, share: 9_500 };
  const told = change('b', { litellm_params: { weight: 9_500 }, model_info: { id: 'b', relaycore: note } });
  const wrong = { token: 'sk-wr0ng' };

  test.each<[string, readonly Step[]]>([
    ['what it shows of deployments', [list]],
    ['a weight with a note', [told, list]],
    ['a weight of zero', [change('a', { litellm_params: { weight: 0 } }), list]],
    ['a weight of null, which is no change', [change('a', { litellm_params: { weight: null } }), list]],
    ['a note without the id', [change('b', { model_info: { relaycore: note } }), list]],
    [
      'a change that leaves out what was switched on',
      [
        change('b', { litellm_params: { use_in_pass_through: true, drop_params: true } }),
        list,
        change('b', { litellm_params: { weight: 5 } }),
        list,
      ],
    ],
    ['a deployment that is not there', [change('nobody', { litellm_params: { weight: 1 } })]],
    [
      'a wrong key',
      [
        { ...list, ...wrong },
        { ...told, ...wrong },
      ],
    ],
    ['how requests are shared out', [{ path: '/router/settings' }]],
  ])('%s', async (_, steps) => {
    const urls = [await startFake(), await startReal()] as const;
    for (const step of steps)
      expect(await answerTo(urls[0], step), JSON.stringify(step)).toEqual(await answerTo(urls[1], step));
  });
});

describe('litellm, the real one', () => {
  const settled = { timeout: 60_000, interval: 250 };
  const startBoth = async () => {
    const urls = [await startReal(), second()] as const;
    const knows = async () => (await driverAt(urls[1]).read(route, soon())).generation;
    await expect.poll(knows, settled).toBe(undefined); // what tests before had told it is forgotten
    return urls;
  };

  test('another proxy on the same database follows within 30 seconds, and until then is not there', async () => {
    const [first, other] = (await startBoth()).map(driverAt) as [GatewayDriver, GatewayDriver];
    const desired = desiredAt(1, { a: 0, b: 10_000, c: 0 });
    await first.apply(route, desired, soon());
    const begun = performance.now();
    const seen = async () => (await other.verify(route, desired, soon())).kind;
    expect(await seen()).toBe('diverged');
    await expect.poll(seen, settled).toBe('converged');
    const seconds = (performance.now() - begun) / 1_000;
    console.error(`counterparts: the other proxy followed after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(35);
  });

  test('of two proxies both are told, and neither waits', async () => {
    const driver = driverAt([...(await startBoth())]);
    const desired = desiredAt(1, { a: 500, b: 9_500, c: 0 });
    expect(await driver.apply(route, desired, soon())).toEqual({ kind: 'applied' });
    expect(await driver.verify(route, desired, soon())).toEqual({ kind: 'converged' });
  });

  test('weight zero is no fence: when all with weight fail, the others serve', async () => {
    const url = await startReal();
    await driverAt(url).apply(route, desiredAt(1, { a: 10_000, b: 0, c: 0 }), soon());
    await answerTo(url, change('a', { litellm_params: { api_base: 'http://127.0.0.1:1' } }));
    const others = async () => Object.keys(await servedBy(url, 1)).filter(id => id === 'b' || id === 'c');
    await expect.poll(others, settled).not.toEqual([]);
  });

  test('deployments of the configuration file are known as such, and cannot be changed', async () => {
    const url = await startReal();
    const driver = createDriver(
      { kind: 'litellm', url, token: litellmToken, group: fixedId, deployments: { a: fixedId } },
      ['a'],
    );
    expect(await driver.apply(route, desiredAt(1, { a: 10_000 }), soon())).toEqual({
      kind: 'rejected',
      detail: expect.stringMatching(/takes fixed from its configuration file/),
    });
    expect((await answerTo(url, change(fixedId, { litellm_params: { weight: 5 } }))).status).toBe(400);
  });
});
