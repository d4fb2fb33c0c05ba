import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverConfig } from '@relaycore/rules';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FakeObject } from '../../../test/support/fake-kubernetes.ts';
import { refusingAddress, temporaryFolder } from '../../relay/fixture.ts';
import type { Desired, GatewayDriver } from './driver.ts';
import { createDriver } from './drivers.ts';
import { kubeconfigFor, pathOf, startFakeKubernetes } from './fixture.ts';
import { reconcile } from './reconcile.ts';

/* What is Kubernetes' own; what all drivers promise is in drivers.test.ts. */

const route = 'mail-filter';
const targets = ['a', 'b', 'c'];
const desired: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 5, reason: 'a may prove itself' };
const soon = () => AbortSignal.timeout(10_000);
const path = pathOf('HTTPRoute', route);
const look = (driver: GatewayDriver) => reconcile(driver, route, desired, { tell: false, timeoutMs: 10_000 });

type Config = Extract<DriverConfig, { kind: 'kubernetes' }>;

const driverWith = (kubeconfig: string, more: Partial<Config> = {}) =>
  createDriver(
    ...([
      {
        kind: 'kubernetes',
        resource: 'HTTPRoute',
        namespace: 'models',
        rule: 0,
        backends: {},
        kubeconfig,
        ...more,
      },
      targets,
    ] as const),
  );

async function start(more: Partial<Config> = {}) {
  const kubernetes = await startFakeKubernetes();
  return { kubernetes, driver: driverWith(await kubeconfigFor(kubernetes.url), more) };
}

const weightsIn = ({ spec }: FakeObject) =>
  (spec as { rules: { backendRefs: { name: string; weight?: number }[] }[] }).rules.map(({ backendRefs }) =>
    Object.fromEntries(backendRefs.map(({ name, weight }) => [name, weight])),
  );
const backendsOf = (object: FakeObject) =>
  (object.spec as { rules: { backendRefs: { name: string; weight?: number; priority?: number }[] }[] })
    .rules[0]!.backendRefs;

beforeAll(async () => void (await import('@kubernetes/client-node')));

test('weights and annotation change in one patch, and only on the version that was read', async () => {
  const { kubernetes, driver } = await start();
  const { resourceVersion } = kubernetes.object(path).metadata;
  await driver.apply(route, desired, soon());
  const weight = (index: number) => `/spec/rules/0/backendRefs/${index}/weight`;
  const note = '{"mail-filter":{"generation":5,"weights":{"a":500,"b":9500,"c":0}}}';
  expect(JSON.parse(kubernetes.patches.join())).toEqual([
    { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
    { op: 'add', path: '/metadata/annotations', value: {} },
    { op: 'add', path: '/metadata/annotations/relaycore~1routes', value: note },
    { op: 'add', path: weight(0), value: 500 },
    { op: 'add', path: weight(1), value: 9_500 },
    { op: 'add', path: weight(2), value: 0 },
  ]);
});

test('a named rule is found, and the others are left as they are', async () => {
  const { kubernetes, driver } = await start({ rule: 'ours', backends: { a: 'a-v1' } });
  const backendRefs = ['a-v1', 'b', 'c'].map(name => ({ name }));
  const before = [
    { name: 'theirs', backendRefs: [{ name: 'a', weight: 7 }] },
    { name: 'ours', backendRefs },
  ];
  kubernetes.edit(path, object => Object.assign(object.spec, { rules: before }));
  expect((await driver.read(route, soon())).weights).toEqual({ a: 3_334, b: 3_333, c: 3_333 });
  expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
  expect(weightsIn(kubernetes.object(path))).toEqual([{ a: 7 }, { 'a-v1': 500, b: 9_500, c: 0 }]);
});

test('two routes in two rules of one object keep their generations apart', async () => {
  const { kubernetes, driver } = await start({ name: 'chat', rule: 0 });
  const chat = pathOf('HTTPRoute', 'chat');
  kubernetes.edit(chat, object =>
    Object.assign(object.spec, {
      rules: [0, 1].map(() => ({ backendRefs: targets.map(name => ({ name })) })),
    }),
  );
  const other = driverWith(await kubeconfigFor(kubernetes.url), { name: 'chat', rule: 1 });
  await driver.apply(route, desired, soon());
  expect(await other.apply('chat', { ...desired, generation: 2 }, soon())).toEqual({ kind: 'applied' });
  expect(await driver.verify(route, desired, soon())).toEqual({ kind: 'converged' });
  expect((await other.read('chat', soon())).generation).toBe(2);
});

test('a VirtualService names destinations by subset or host; one without weight gets nothing', async () => {
  const { kubernetes, driver } = await start({ resource: 'VirtualService', backends: { a: 'v1', b: 'v2' } });
  const service = pathOf('VirtualService', route);
  const destinations = ['v1', 'v2'].map(subset => ({ destination: { host: 'spam', subset } }));
  const http = [
    { route: [{ ...destinations[0], weight: 100 }, destinations[1], { destination: { host: 'c' } }] },
  ];
  kubernetes.edit(service, object => Object.assign(object.spec, { http }));
  expect((await driver.read(route, soon())).weights).toEqual({ a: 10_000, b: 0, c: 0 });
  expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
  expect(kubernetes.object(service).spec).toMatchObject({
    http: [{ route: [{ weight: 500 }, { weight: 9_500 }, { weight: 0 }] }],
  });
});

describe('a patch that', () => {
  test('failed and took effect all the same is found by reading', async () => {
    const { kubernetes, driver } = await start();
    kubernetes.trouble = 'fails though applied';
    expect(await driver.apply(route, desired, soon())).toEqual({
      kind: 'unknown',
      detail: expect.stringMatching(
        /patching HTTPRoute models\/mail-filter .*500: etcdserver: request timed out$/,
      ),
    });
    expect(await driver.verify(route, desired, soon())).toEqual({ kind: 'converged' });
  });

  test('was acknowledged and dropped is found by reading, and told again', async () => {
    const { kubernetes, driver } = await start();
    kubernetes.trouble = 'answers though dropped';
    expect(await look(driver)).toMatchObject({ kind: 'open' });
    kubernetes.trouble = undefined;
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
  });

  test('nobody answers is given up at the deadline', async () => {
    const { kubernetes, driver } = await start();
    kubernetes.trouble = 'hangs';
    expect((await driver.apply(route, desired, AbortSignal.timeout(150))).kind).toBe('unknown');
    expect((await driver.verify(route, desired, soon())).kind).toBe('diverged');
  });

  test('always meets a conflict on an object that nobody changes is rejected', async () => {
    const { kubernetes, driver } = await start();
    kubernetes.trouble = 'conflicts';
    expect(await driver.apply(route, desired, soon())).toEqual({
      kind: 'rejected',
      detail: expect.stringContaining('409: the object has been modified'),
    });
  });
});

test('somebody who was faster is read again, and what they changed is kept', async () => {
  const { kubernetes, driver } = await start();
  kubernetes.beforePatch = () =>
    kubernetes.edit(path, object => {
      object.metadata.annotations = { theirs: 'kept' };
      backendsOf(object)[2]!.weight = 7;
    });
  expect(await driver.apply(route, desired, soon())).toEqual({ kind: 'applied' });
  expect(kubernetes.patches).toHaveLength(2);
  expect(kubernetes.object(path).metadata.annotations).toMatchObject({ theirs: 'kept' });
  expect(await driver.verify(route, desired, soon())).toEqual({ kind: 'converged' });
});

test('a later generation that came in between is a conflict', async () => {
  const { kubernetes, driver } = await start();
  kubernetes.beforePatch = () =>
    kubernetes.edit(path, object => {
      const later = { generation: 6, weights: { a: 10_000, b: 0, c: 0 } };
      object.metadata.annotations = { 'relaycore/routes': JSON.stringify({ [route]: later }) };
    });
  expect(await driver.apply(route, desired, soon())).toEqual({
    kind: 'conflict',
    detail: expect.stringContaining('holds generation 6'),
  });
});

describe('what the gateway says', () => {
  test('of an earlier generation of the object does not count', async () => {
    const { kubernetes, driver } = await start();
    await driver.read(route, soon());
    kubernetes.gatewayLag = 2;
    await driver.apply(route, desired, soon());
    expect(await driver.verify(route, desired, soon())).toEqual({
      kind: 'partial',
      detail: expect.stringMatching(/holds the weights, but Accepted is said of generation 1 .*not yet of 2/),
    });
    expect(await driver.verify(route, desired, soon())).toEqual({ kind: 'converged' });
  });

  test.each([
    ['HTTPRoute', [], /nobody says that it is Accepted/],
    [
      'HTTPRoute',
      [
        { type: 'Accepted', status: 'True' },
        { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound', message: 'b' },
      ],
      /ResolvedRefs is False \(BackendNotFound: b\)/,
    ],
    [
      'HTTPRoute',
      [
        { type: 'Accepted', status: 'True' },
        { type: 'PartiallyInvalid', status: 'True' },
      ],
      /PartiallyInvalid is True/,
    ],
    [
      'AIGatewayRoute',
      [{ type: 'NotAccepted', status: 'False', reason: 'ReconciliationFailed', message: 'no backend b' }],
      /Accepted.*NotAccepted is False \(ReconciliationFailed: no backend b\)/,
    ],
    ['VirtualService', [{ type: 'Reconciled', status: 'False' }], /Reconciled is False/],
  ] as const)('against %s is told: %#', async (resource, conditions, words) => {
    const { kubernetes, driver } = await start({ resource });
    kubernetes.conditions = conditions;
    await driver.apply(route, desired, soon());
    expect(await driver.verify(route, desired, soon())).toEqual({
      kind: 'partial',
      detail: expect.stringMatching(words),
    });
  });

  test('is not asked of a VirtualService without a status, nor of what has other words', async () => {
    for (const conditions of [[], [{ type: 'example.com/Warm', status: 'False' }]] as const) {
      const { kubernetes, driver } = await start({ resource: 'VirtualService' });
      kubernetes.conditions = conditions;
      expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    }
  });
});

test('weights that somebody changed by hand are seen, and told again', async () => {
  const { kubernetes, driver } = await start();
  await driver.apply(route, desired, soon());
  kubernetes.edit(path, object => {
    backendsOf(object)[0]!.weight = 7;
  });
  expect(await driver.verify(route, desired, soon())).toEqual({
    kind: 'diverged',
    detail: expect.stringContaining('was changed by hand: a has weight 7'),
  });
  expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
  kubernetes.edit(path, ({ metadata }) => {
    metadata.annotations!['relaycore/routes'] = 'gone';
  });
  expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
});

describe('refused, with what to do:', () => {
  test.each<[string, (object: FakeObject) => unknown, RegExp]>([
    [
      'a backend that stands for no target and carries traffic',
      object => backendsOf(object).push({ name: 'old', weight: 50 }),
      /gives weight 50 to "old", which stands for no target. Name it under driver.backends/,
    ],
    [
      'a backend twice',
      object => backendsOf(object).push({ name: 'b', weight: 0 }),
      /has the backend "b" twice. Leave one/,
    ],
    [
      'different priorities',
      object => Object.assign(backendsOf(object)[1]!, { priority: 1 }),
      /different priorities, and weights count only among equals. Take priority/,
    ],
    ['a rule that is not there', object => Object.assign(object.spec, { rules: [] }), /driver.rule/],
  ])('%s', async (_, change, words) => {
    const { kubernetes, driver } = await start();
    kubernetes.edit(path, change);
    const result = await driver.apply(route, desired, soon());
    expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(words) });
    expect(kubernetes.patches).toEqual([]);
  });

  test('what the API server holds to be wrong, after a second look', async () => {
    const { kubernetes, driver } = await start();
    const heavy = { ...desired, weights: { a: 10_000, b: 0, c: 0 } };
    kubernetes.edit(path, object => {
      (object.spec as { extra?: object }).extra = { weight: -1 };
    });
    expect(await driver.apply(route, heavy, soon())).toEqual({
      kind: 'rejected',
      detail: expect.stringContaining('422: HTTPRoute.gateway.networking.k8s.io "mail-filter" is invalid'),
    });
    expect(kubernetes.patches).toHaveLength(2);
  });

  test('a token that is wrong, or that no header can carry; neither is shown', async () => {
    const { url } = await startFakeKubernetes();
    for (const token of ['wr0ng', 'wr0ng\nin two lines']) {
      const driver = driverWith(await kubeconfigFor(url, token));
      const result = await driver.apply(route, desired, soon());
      expect(result).toHaveProperty('detail', expect.stringContaining('HTTPRoute models/mail-filter'));
      expect(JSON.stringify(result)).not.toContain('wr0ng');
    }
  });

  test('a context that is not there, or a kubeconfig that is none', async () => {
    const { kubernetes, driver } = await start({ context: 'elsewhere' });
    expect(await driver.apply(route, desired, soon())).toEqual({
      kind: 'rejected',
      detail: expect.stringMatching(/no context "elsewhere"; it has: here, nowhere. .*driver.context/),
    });
    const kubeconfig = join(temporaryFolder(), 'kubeconfig');
    expect(await driverWith(kubeconfig).apply(route, desired, soon())).toMatchObject({ kind: 'rejected' });
    await writeFile(kubeconfig, 'users: [{ token: s3cret }');
    const result = await driverWith(kubeconfig).apply(route, desired, soon());
    expect(result).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('it is no YAML') });
    expect(JSON.stringify(result)).not.toContain('s3cret');
    expect(kubernetes.patches).toEqual([]);
  });
});

test('another context is another cluster', async () => {
  const { driver } = await start({ context: 'nowhere' });
  expect(await driver.verify(route, desired, soon())).toEqual({
    kind: 'unknown',
    detail: expect.stringMatching(/at http:\/\/127\.0\.0\.1:1: .*/),
  });
});

test('an API server that is away is unclear', async () => {
  const driver = driverWith(await kubeconfigFor(await refusingAddress()));
  expect(await driver.apply(route, desired, soon())).toEqual({
    kind: 'unknown',
    detail: expect.stringContaining('ECONNREFUSED'),
  });
});
