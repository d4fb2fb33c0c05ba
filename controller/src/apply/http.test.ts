import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { refusingAddress, startServer } from '../../relay/fixture.ts';
import type { Desired } from './driver.ts';
import { createDriver } from './drivers.ts';
import { startTargets, startUpstreams } from './fixture.ts';
import { httpDriver } from './http.ts';
import type { HttpOptions } from './http-gateway.ts';
import { reconcile } from './reconcile.ts';

/* What is the templates' own; what all drivers promise is in drivers.test.ts. */

const route = 'mail-filter';
const targets = ['a', 'b', 'c'];
const desired: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 5, reason: 'say "why" & how' };
const soon = () => AbortSignal.timeout(2_000);

const optionsFor = (url: string, more: Partial<HttpOptions> = {}): HttpOptions => ({
  headers: {},
  names: {},
  scale: 10_000,
  read: { url: `${url}/{{route}}`, weight: '/{{name}}' },
  write: { method: 'PUT', url: `${url}/{{route}}`, body: '{{weights}}' },
  ...more,
});

test('templates are filled in as their place wants it', async () => {
  const heard: { method: string; url: string; body: string; headers: Record<string, unknown> }[] = [];
  const url = await startServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    heard.push({ method, url, headers, body: await text(request) });
    response.end('{}');
  });
  const options = optionsFor(url, {
    headers: { authorization: 'Bearer s3cret', 'idempotency-key': '{{route}}' },
    names: { a: 'a/b', b: '10.0.0.5:80' },
    write: {
      method: 'POST',
      url: `${url}/set?why={{reason}}&main={{target}}`,
      body: '{"of":"{{route}}","nodes":{{ weights }},"one":{{weight.b}},"why":"{{reason}}","at":{{generation}}}',
    },
  });
  expect(await httpDriver(options, targets).apply(route, desired, soon())).toEqual({ kind: 'applied' });
  const write = heard.at(-1)!;
  expect(write).toMatchObject({
    method: 'POST',
    url: '/set?why=say%20%22why%22%20%26%20how&main=10.0.0.5%3A80',
    headers: {
      authorization: 'Bearer s3cret',
      'idempotency-key': route,
      'content-type': 'application/json',
    },
  });
  expect(JSON.parse(write.body)).toEqual({
    of: route,
    nodes: { 'a/b': 500, '10.0.0.5:80': 9_500, c: 0 },
    one: 9_500,
    why: desired.reason,
    at: 5,
  });
});

test('names with a slash are found by pointers', async () => {
  const url = await startServer((_, response) => void response.end('{"nodes":{"a/b":1,"~":3}}'));
  const read = { url, weight: '/nodes/{{name}}' };
  const driver = httpDriver(optionsFor(url, { names: { a: 'a/b', b: '~' }, read }), ['a', 'b']);
  expect(await driver.read(route, soon())).toEqual({ weights: { a: 2_500, b: 7_500 } });
});

test('a gateway with percents is told percents, and holds what it can', async () => {
  const url = await startUpstreams();
  const upstream = `${url}/upstreams/{{route}}`;
  const options = optionsFor(url, {
    scale: 100,
    read: { url: upstream, weight: '/value/nodes/{{name}}', generation: '/value/labels/generation' },
    write: {
      method: 'PATCH',
      url: upstream,
      body: '{"nodes":{{weights}},"labels":{"generation":"{{generation}}"}}',
    },
  });
  const driver = httpDriver(options, targets);
  const odd = { ...desired, weights: { a: 44, b: 9_956, c: 0 } };
  expect(driver.capabilities().granularity).toBe(100);
  expect(await driver.apply(route, odd, soon())).toEqual({ kind: 'applied' });
  expect(await driver.verify(route, odd, soon())).toEqual({ kind: 'converged' });
  expect((await driver.read(route, soon())).weights).toEqual({ a: 100, b: 9_900, c: 0 });
});

describe('a request a target', () => {
  const start = async () => {
    const gateway = await startTargets();
    const url = `${gateway.url}/upstreams/{{route}}/targets/{{name}}`;
    const options = optionsFor(url, {
      names: { a: 'a:80', b: 'b:80', c: 'c:80' },
      read: { url, weight: '/weight', generation: '/tags/0' },
      write: { method: 'PATCH', url, body: '{"weight":{{weight}},"tags":["{{generation}}"]}' },
    });
    return { gateway, driver: httpDriver(options, targets) };
  };

  test('raises the new target before the old one is lowered', async () => {
    const { gateway, driver } = await start();
    await driver.apply(route, desired, soon());
    expect(gateway.writes).toEqual([
      'b:80 {"weight":9500,"tags":["5"]}',
      'a:80 {"weight":500,"tags":["5"]}',
      'c:80 {"weight":0,"tags":["5"]}',
    ]);
  });

  test('of which one fails is partial, and finished at the next look', async () => {
    const { gateway, driver } = await start();
    gateway.refuses = `/upstreams/${route}/targets/a:80`;
    expect(await driver.apply(route, desired, soon())).toMatchObject({
      kind: 'unknown',
      detail: expect.stringMatching(/PATCH .*a%3A80 answered 403: .*not now/),
    });
    expect((await driver.verify(route, desired, soon())).kind).toBe('partial');
    delete gateway.refuses;
    const result = await reconcile(driver, route, desired, { tell: false, timeoutMs: 2_000 });
    expect(result).toEqual({ kind: 'converged', changed: true });
  });
});

test.each([
  [200, 'applied'],
  [204, 'applied'],
  [302, 'rejected'],
  [400, 'rejected'],
  [403, 'rejected'],
  [408, 'unknown'],
  [409, 'conflict'],
  [412, 'conflict'],
  [429, 'unknown'],
  [500, 'unknown'],
])('%d to a change is %s', async (status, kind) => {
  const url = await startServer((request, response) =>
    request.method === 'GET'
      ? void response.end('{}')
      : void response.writeHead(status, { location: '/elsewhere' }).end(),
  );
  expect((await httpDriver(optionsFor(url), targets).apply(route, desired, soon())).kind).toBe(kind);
});

test.each([
  ['no JSON', 200, '<h1>Welcome</h1>', /answered no JSON: <h1>/],
  ['an error', 403, '{"message":"no"}', /answered 403: .*no/],
])('a gateway that answers %s cannot be read, and what it says is told', async (_, status, body, message) => {
  const url = await startServer((_, response) => void response.writeHead(status).end(body));
  const driver = httpDriver(optionsFor(url), targets);
  await expect(driver.read(route, soon())).rejects.toThrow(message);
  expect(await driver.verify(route, desired, soon())).toMatchObject({ kind: 'unknown' });
});

test('a gateway without any weight of the route says nothing', async () => {
  const url = await startServer((_, response) => void response.end('{"a":0,"b":"0"}'));
  expect(await httpDriver(optionsFor(url), targets).read(route, soon())).toEqual({ weights: {} });
});

test('secrets in headers and queries are in no message, whoever quotes them', async () => {
  const echo = await startServer((request, response) => {
    response.writeHead(403).end(`${request.headers.authorization} and ${request.headers['x-api-key']}`);
  });
  for (const [url, key] of [
    [echo, 'k3yword'],
    [await refusingAddress(), 'k3yword'],
    [echo, 'k3yword\nin two lines'],
    ['http://no such host', 'k3yword'],
  ] as const) {
    const options = optionsFor(url, {
      headers: { authorization: 'Bearer s3cret', 'x-api-key': key },
      read: { url: `${url}/read?token=t0ken`, weight: '/{{name}}' },
    });
    const driver = createDriver({ kind: 'http', ...options }, targets);
    const says = JSON.stringify([
      await driver.apply(route, desired, soon()),
      await driver.verify(route, desired, soon()),
      await driver.read(route, soon()).catch(String),
    ]);
    expect(says).toContain('/read');
    expect(says).not.toMatch(/s3cret|k3yword|t0ken/);
  }
});
