import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { refusingAddress, startServer, temporaryFolder } from '../../relay/fixture.ts';
import type { Desired } from './driver.ts';
import { backend, kill, portOf, startHaproxyGateway, startWire } from './fixture.ts';
import { haproxyDriver } from './haproxy.ts';
import { tellBackend } from './haproxy-backend.ts';
import { askHaproxy } from './haproxy-socket.ts';
import { reconcile } from './reconcile.ts';

/* What is HAProxy's own; what all drivers promise is in drivers.test.ts. */

const route = 'mail-filter';
const desired: Desired = { weights: { a: 500, b: 9_500, c: 0 }, generation: 5, reason: 'a may prove itself' };
const toB: Desired = { weights: { a: 0, b: 10_000, c: 0 }, generation: 5, reason: 'a fails' };
const soon = () => AbortSignal.timeout(2_000);
const hostOf = ({ url }: { url: string }) => new URL(url).host;
const driverAt = (...socket: string[]) => haproxyDriver({ socket, servers: {} });
const look = (driver: ReturnType<typeof driverAt>, wanted = desired) =>
  reconcile(driver, route, wanted, { tell: false, timeoutMs: 2_000 });

async function weightsAt(socket: string): Promise<Record<string, number>> {
  const answer = await askHaproxy(socket, [`show servers state ${route}`], soon());
  const rows = answer.split('\n').slice(2).filter(Boolean);
  return Object.fromEntries(rows.map(row => row.split(' ')).map(cells => [cells[3]!, Number(cells[7])]));
}

test('the new target is raised before the old one is lowered, in one line', async () => {
  const wire = await startWire((await startHaproxyGateway()).url);
  const driver = driverAt(wire.address);
  await driver.apply(route, toB, soon());
  expect(wire.sent.at(-1)).toBe(
    `experimental-mode on; set weight ${route}/b 256; set weight ${route}/a 0; set var proc.relaycore.mail_2dfilter str(5|a=0|b=10000|c=0)\n`,
  );
});

test('a share of 5 % is 5 % at HAProxy', async () => {
  const socket = hostOf(await startHaproxyGateway());
  await driverAt(socket).apply(route, desired, soon());
  expect(await weightsAt(socket)).toEqual({ a: 13, b: 247, c: 0 });
});

test('a gateway that is only looked at is left as it is', async () => {
  const wire = await startWire((await startHaproxyGateway()).url);
  const driver = driverAt(wire.address);
  const { weights, generation = 0 } = await driver.read(route, soon());
  expect(weights).toEqual({ a: 10_000, b: 0, c: 0 });
  expect(await look(driver, { weights, generation, reason: 'taken over' })).toMatchObject({ changed: false });
  expect(wire.sent.join()).not.toContain('set ');
});

describe('a restart', () => {
  test('loses weights and generation; the next look sees it and tells them again', async () => {
    const first = await startHaproxyGateway();
    const driver = driverAt(hostOf(first));
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    await kill(first);
    expect(await look(driver)).toMatchObject({
      kind: 'open',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
    await startHaproxyGateway(undefined, { folder: first.folder, port: portOf(first) });
    const { generation, weights } = await driver.read(route, soon());
    expect({ generation, weights }).toEqual({ weights: { a: 10_000, b: 0, c: 0 } });
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    expect(await look(driver)).toEqual({ kind: 'converged', changed: false });
  });

  test('with a state file keeps the weights from the first request on', async () => {
    const config = (folder: string) =>
      `  load-server-state-from-file global\nglobal\n  server-state-file ${folder}/state\n${backend(route)}`;
    const first = await startHaproxyGateway(config('.'));
    const socket = hostOf(first);
    await driverAt(socket).apply(route, desired, soon());
    await writeFile(join(first.folder, 'state'), await askHaproxy(socket, ['show servers state'], soon()));
    await kill(first);
    await startHaproxyGateway(config(first.folder), { folder: first.folder, port: portOf(first) });
    expect(await weightsAt(socket)).toEqual({ a: 13, b: 247, c: 0 });
    expect(await look(driverAt(socket))).toEqual({ kind: 'converged', changed: true });
  });
});

describe('a hand at HAProxy', () => {
  test('that changes weights is seen, and they are told again', async () => {
    const socket = hostOf(await startHaproxyGateway());
    const driver = driverAt(socket);
    await driver.apply(route, desired, soon());
    await askHaproxy(socket, [`set weight ${route}/a 100`], soon());
    expect(await driver.verify(route, desired, soon())).toEqual({
      kind: 'diverged',
      detail: expect.stringMatching(/changed by hand: a has weight 100, b has weight 247/),
    });
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    expect(await weightsAt(socket)).toEqual({ a: 13, b: 247, c: 0 });
  });

  test('that takes a target out is told, with its state', async () => {
    const socket = hostOf(await startHaproxyGateway());
    const driver = driverAt(socket);
    await driver.apply(route, desired, soon());
    await askHaproxy(socket, [`set server ${route}/b state maint`], soon());
    expect(await driver.verify(route, desired, soon())).toEqual({
      kind: 'partial',
      detail: expect.stringMatching(/holds the weights, but its server b is MAINT/),
    });
    await askHaproxy(socket, [`set server ${route}/b state ready`], soon());
    expect(await driver.verify(route, desired, soon())).toEqual({ kind: 'converged' });
  });
});

test('everything to a target that HAProxy holds to be down is refused while another one serves', async () => {
  const checked = backend(route, ['a', 'c']).concat(
    `  server b ${hostOf({ url: await refusingAddress() })} weight 0 check inter 50 fall 1\n`,
  );
  const socket = hostOf(await startHaproxyGateway(checked));
  const driver = driverAt(socket);
  await expect
    .poll(() => askHaproxy(socket, [`show stat ${route} 4 -1`], soon()), { timeout: 5_000 })
    .toContain('DOWN');
  expect(await driver.apply(route, toB, soon())).toEqual({
    kind: 'rejected',
    detail: expect.stringMatching(/nobody left to serve: its server b is DOWN \(L4CON/),
  });
});

describe('two HAProxies', () => {
  test('of which one restarted: that one is told, the other one is left alone', async () => {
    const [steady, restarted] = await Promise.all([startHaproxyGateway(), startHaproxyGateway()]);
    const wire = await startWire(steady.url);
    const driver = driverAt(wire.address, hostOf(restarted));
    await driver.apply(route, desired, soon());
    await kill(restarted);
    expect(await driver.verify(route, desired, soon())).toEqual({
      kind: 'partial',
      detail: expect.stringContaining(hostOf(restarted)),
    });
    await startHaproxyGateway(undefined, { folder: restarted.folder, port: portOf(restarted) });
    wire.sent.length = 0;
    expect(await look(driver)).toEqual({ kind: 'converged', changed: true });
    expect(wire.sent.join()).not.toContain('set weight');
  });
});

describe('refused, with what to do:', () => {
  test.each([
    [
      'a server that stands for no target',
      backend(route, ['a', 'b', 'c'], '  server old 127.0.0.1:9 weight 50\n'),
      /gives weight 50 to "old", which stands for no target. Name it under driver.servers/,
    ],
    [
      'a target that is a backup of HAProxy’s own',
      backend(route, ['a', 'c'], '  server b 127.0.0.1:9 backup\n'),
      /has "b" as a backup of its own.*Take the word "backup"/,
    ],
    [
      'an algorithm that cannot change weights',
      backend(route, ['a', 'b', 'c'], '  balance source\n'),
      /says: Backend is using a static LB algorithm/,
    ],
    ['a backend of another name', backend('mail'), /has no backend "mail-filter".*driver\.backend/],
  ])('%s', async (_, config, message) => {
    const driver = driverAt(hostOf(await startHaproxyGateway(config)));
    const result = await driver.apply(route, desired, soon());
    expect(result).toEqual({ kind: 'rejected', detail: expect.stringMatching(message) });
  });

  test('a socket that may not change anything', async () => {
    const socket = join(temporaryFolder(), 'operator.sock');
    await startHaproxyGateway(`${backend(route)}global\n  stats socket ${socket} level operator\n`);
    const result = await driverAt(socket).apply(route, desired, soon());
    expect(result).toEqual({ kind: 'rejected', detail: expect.stringContaining('Permission denied') });
  });
});

test('an answer that is lost, or cut off, is unclear', async () => {
  const wire = await startWire((await startHaproxyGateway()).url);
  const driver = driverAt(wire.address);
  wire.loses = /./;
  expect(await driver.apply(route, desired, soon())).toEqual({
    kind: 'unknown',
    detail: expect.stringContaining('it closed the connection'),
  });
  wire.loses = undefined;
  wire.cutsAfter = 1;
  const tell = () =>
    tellBackend({ socket: wire.address, name: route, servers: [] }, [['a', 1]], desired, soon());
  await expect(tell()).rejects.toThrow('answered 1 of 3 commands');
});

test('an address that is no stats socket is unclear, and says what was heard', async () => {
  const web = await startServer((_, response) => void response.end('welcome'));
  const driver = driverAt(hostOf({ url: web }));
  expect(await driver.apply(route, desired, soon())).toEqual({
    kind: 'unknown',
    detail: expect.stringContaining('HTTP/1.1 400'),
  });
});

test('names of backend and servers may differ', async () => {
  const servers = ['nb-1', 'nb-2', 'lr'];
  const socket = hostOf(await startHaproxyGateway(backend('mail', servers)));
  const driver = haproxyDriver({ socket, backend: 'mail', servers: { nb: ['nb-1', 'nb-2'] } });
  const halves: Desired = { weights: { nb: 5_000, lr: 5_000 }, generation: 1, reason: 'halves' };
  expect(await driver.apply(route, halves, soon())).toEqual({ kind: 'applied' });
  expect(await driver.verify(route, halves, soon())).toEqual({ kind: 'converged' });
  const answer = await askHaproxy(socket, ['get weight mail/nb-1', 'get weight mail/lr'], soon());
  expect(answer).toMatch(/^128 .*\n\n256 /);
});
