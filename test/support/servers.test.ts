import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAlertmanager, startHaproxy, startPrometheus, startRedis } from './servers.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relaycore-servers-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const receiver = 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n';

test.each([
  { start: startPrometheus, config: 'global: { scrape_interval: 1s }\n' },
  { start: startAlertmanager, config: receiver },
])('$start.name gives a ready server, and stop ends its process', async ({ start, config }) => {
  const server = await start({ config, folder });
  expect((await fetch(`${server.url}/-/ready`)).status).toBe(200);
  await server.stop();
  expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
  await server.stop();
});

test.each([
  {
    start: startHaproxy,
    config: 'defaults\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n',
  },
  { start: startRedis, config: '' },
])('$start.name gives a server that answers, and stop ends its process', async ({ start, config }) => {
  const server = await start({ config, folder });
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.destroy();
  await server.stop();
  expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
});

test('a server that dies at its configuration throws with the end of its log', async () => {
  await expect(startPrometheus({ config: 'globl: {}\n', folder })).rejects.toThrow(/field globl not found/);
});
