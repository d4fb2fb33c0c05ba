import { describe, expect, test } from 'vitest';
import { startServer } from '../../relay/fixture.ts';
import type { Desired, GatewayDriver } from './driver.ts';
import { createDriver } from './drivers.ts';
import { addDeployment, litellmToken, startFakeLitellm } from './fixture.ts';
import { reconcile } from './reconcile.ts';

/* What is LiteLLM's own; what all drivers promise is in drivers.test.ts. */

const route = 'mail-filter';
const targets = ['a', 'b', 'c'];
const desired: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 5, reason: 'a may prove itself' };
const soon = () => AbortSignal.timeout(10_000);
const driverAt = (url: string | string[], deployments: Record<string, string[]> = {}, token = litellmToken) =>
  createDriver({ kind: 'litellm', url, token, deployments }, targets);
const look = (driver: GatewayDriver, timeoutMs = 10_000) =>
  reconcile(driver, route, desired, { tell: false, timeoutMs });

const start = async () => {
  const litellm = await startFakeLitellm();
  return { litellm, driver: driverAt(litellm.url) };
};
const add = (url: string, id: string, more: { params?: object; info?: object } = {}) =>
  addDeployment(url, litellmToken, {
    model_name: route,
    litellm_params: { model: `openai/${id}`, ...more.params },
    model_info: { id, ...more.info },
  });

test('the new target is raised before the old ones are lowered, and each keeps its id', async () => {
  const { litellm, driver } = await start();
  await driver.apply(route, desired, soon());
  const told = (id: string, weight: number) =>
    `${id} {"litellm_params":{"weight":${weight}},"model_info":{"id":"${id}","db_model":true,"relaycore":{"generation":5,"share":${weight}}}}`;
  expect(litellm.changes).toEqual([told('b', 9_500), told('a', 500), told('c', 0)]);
});

test('what was switched on at a deployment stays on', async () => {
  const { litellm, driver } = await start();
  Object.assign(litellm.row('b').litellm_params, { use_in_pass_through: true, drop_params: true });
  await driver.apply(route, desired, soon());
  expect(litellm.row('b').litellm_params).toMatchObject({
    ...{ use_in_pass_through: true, drop_params: true, use_litellm_proxy: false },
    weight: 9_500,
  });
});

test('several deployments of a target share what it gets', async () => {
  const { litellm } = await start();
  await add(litellm.url, 'b-2', { params: { weight: 0 } });
  const driver = driverAt(litellm.url, { b: ['b', 'b-2'] });
  expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
  const weightOf = (id: string) => litellm.row(id).litellm_params.weight;
  expect(['a', 'b', 'b-2', 'c'].map(weightOf)).toEqual([1_000, 9_500, 9_500, 0]);
  expect((await driver.read(route, soon())).weights).toEqual(desired.weights);
});

test.each([
  ['rpm', { weight: undefined, rpm: 30 }, { rpm: 10 }, { a: 7_500, b: 2_500, c: 0 }],
  ['tpm', { weight: 0, rpm: 0, tpm: 3 }, { tpm: 1 }, { a: 7_500, b: 2_500, c: 0 }],
  ['nothing', { weight: 0 }, {}, { a: 3_334, b: 3_333, c: 3_333 }],
])('without weights it reads what LiteLLM goes by: %s', async (_, a, b, weights) => {
  const { litellm, driver } = await start();
  Object.assign(litellm.row('a').litellm_params, a);
  Object.assign(litellm.row('b').litellm_params, { weight: null }, b);
  expect(await driver.read(route, soon())).toEqual({ weights });
});

describe('a change that', () => {
  test('failed and took effect all the same is found by reading', async () => {
    const { litellm, driver } = await start();
    litellm.trouble = 'fails though applied';
    expect(await driver.apply(route, desired, soon())).toEqual({
      kind: 'unknown',
      detail: expect.stringMatching(/PATCH .*\/model\/b\/update answered 500: .*connection reset/),
    });
    expect((await driver.verify(route, desired, soon())).kind).toBe('partial');
    litellm.trouble = undefined;
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
  });

  test('was acknowledged and dropped is found by reading, and told again', async () => {
    const { litellm, driver } = await start();
    litellm.trouble = 'answers though dropped';
    expect(await look(driver)).toEqual({ kind: 'open', detail: expect.stringContaining('generation 0') });
    litellm.trouble = undefined;
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
  });

  test('nobody answers is given up at the deadline', async () => {
    const { litellm, driver } = await start();
    litellm.trouble = 'hangs';
    expect((await driver.apply(route, desired, AbortSignal.timeout(150))).kind).toBe('unknown');
    expect((await driver.verify(route, desired, soon())).kind).toBe('diverged');
  });

  test('a worker has not read yet is not there until it has', async () => {
    const { litellm, driver } = await start();
    await driver.read(route, soon());
    await driver.apply(route, desired, soon());
    litellm.staleReads = 2;
    const kinds = [];
    for (let i = 0; i < 3; i++) kinds.push((await driver.verify(route, desired, soon())).kind);
    expect(kinds).toEqual(['diverged', 'diverged', 'converged']);
  });
});

test('each of several proxies is told, so that none waits for the database', async () => {
  const [one, other] = await Promise.all([startFakeLitellm(), startFakeLitellm()]);
  const driver = driverAt([one.url, other.url]);
  expect(await driver.apply(route, desired, soon())).toEqual({ kind: 'applied' });
  expect([one, other].map(({ row }) => row('b').litellm_params.weight)).toEqual([9_500, 9_500]);
  other.row('b').litellm_params.weight = 1;
  expect(await driver.verify(route, desired, soon())).toMatchObject({ kind: 'partial' });
});

describe('a hand at LiteLLM', () => {
  test('that changes a weight is seen, and it is told again', async () => {
    const { litellm, driver } = await start();
    await driver.apply(route, desired, soon());
    litellm.row('a').litellm_params.weight = 7;
    expect(await driver.verify(route, desired, soon())).toEqual({
      kind: 'diverged',
      detail: expect.stringContaining('was changed by hand: a has weight 7'),
    });
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    expect(litellm.row('a').litellm_params.weight).toBe(500);
  });

  test('that pauses a target is told', async () => {
    const { litellm, driver } = await start();
    await driver.apply(route, desired, soon());
    litellm.row('b').model_info.blocked = true;
    expect(await driver.verify(route, desired, soon())).toEqual({
      kind: 'partial',
      detail: expect.stringContaining('holds the weights, but b is paused'),
    });
    litellm.row('a').model_info.blocked = true;
    expect((await driver.verify(route, desired, soon())).kind).toBe('diverged');
  });
});

describe('refused, with what to do:', () => {
  const refused = async (prepare: (litellm: Awaited<ReturnType<typeof startFakeLitellm>>) => unknown) => {
    const { litellm, driver } = await start();
    await prepare(litellm);
    const result = await driver.apply(route, desired, soon());
    expect(litellm.changes).toEqual([]);
    expect(result.kind).toBe('rejected');
    return 'detail' in result ? result.detail : '';
  };

  test('a deployment that stands for no target and could get traffic', async () => {
    const heavy = await refused(({ url }) => add(url, 'old', { params: { weight: 50 } }));
    expect(heavy).toMatch(/"old" with weight 50, which stands for no target. Name it under driver.deploy/);
    const unsaid = await refused(({ url }) => add(url, 'old'));
    expect(unsaid).toContain('"old" with weight none, which stands for no target');
    const { litellm, driver } = await start();
    await add(litellm.url, 'old', { params: { weight: 0 } });
    expect(await driver.apply(route, desired, soon())).toEqual({ kind: 'applied' });
  });

  test('deployments of different order', async () => {
    const detail = await refused(({ row }) => Object.assign(row('b').litellm_params, { order: 2 }));
    expect(detail).toMatch(/count only among equals. Take litellm_params.order/);
  });

  test('everything to a target that is paused', async () => {
    const detail = await refused(({ row }) => {
      for (const id of targets) row(id).model_info.blocked = true;
    });
    expect(detail).toMatch(/nobody left to serve: a, b is paused. Unpause/);
  });

  test('another way of sharing out than by weight', async () => {
    const detail = await refused(litellm => {
      litellm.strategy = 'least-busy';
    });
    expect(detail).toMatch(/routes by least-busy, which knows no weights; set .* to simple-shuffle/);
  });

  test('deployments of the configuration file', async () => {
    const url = await startServer((_, response) => {
      const litellm_params = { weight: 1 };
      const data = targets.map(id => ({
        model_name: route,
        litellm_params,
        model_info: { id, db_model: false },
      }));
      response.end(JSON.stringify({ data }));
    });
    expect(await driverAt(url).apply(route, desired, soon())).toEqual({
      kind: 'rejected',
      detail: expect.stringMatching(/takes a, b, c from its configuration file.*\/model\/new/),
    });
  });

  test('a wrong key, of which neither the key nor its hash is shown', async () => {
    const { litellm } = await start();
    const driver = driverAt(litellm.url, {}, 'sk-wr0ng');
    const result = await driver.apply(route, desired, soon());
    expect(result).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('answered 401') });
    expect(JSON.stringify(result)).not.toMatch(/wr0ng|[0-9a-f]{64}/);
    await expect(driver.read(route, soon())).rejects.toThrow('Key Hash (Token) =***');
  });
});

test('an older LiteLLM that does not tell its strategy shares out by weight', async () => {
  const litellm = await startFakeLitellm();
  const url = await startServer(async (request, response) => {
    if (request.url === '/router/settings') return void response.writeHead(404).end('{}');
    litellm.listener(request, response);
  });
  expect(await driverAt(url).apply(route, desired, soon())).toEqual({ kind: 'applied' });
});
