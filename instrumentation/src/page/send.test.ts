import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { type Bytes, writeText } from './bytes.ts';
import { sendPage } from './send.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function serve(answer: (response: ServerResponse) => void): Promise<number> {
  const server = createServer((_, response) => answer(response));
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function request(port: number): Promise<IncomingMessage> {
  const [response] = await once(get({ port, host: '127.0.0.1', agent: false }), 'response');
  return response;
}

const line = `${'x'.repeat(999)}\n`;

function* lines(page: Bytes, count: number): Generator<void> {
  for (let written = 0; written < count; written++) {
    writeText(page, line);
    yield;
  }
}

test('a short page has a length, and arrives whole', async () => {
  const port = await serve(response => void sendPage(response, 'text/plain', page => lines(page, 3)));
  const response = await request(port);
  expect(response.headers).toMatchObject({ 'content-length': '3000', 'content-type': 'text/plain' });
  expect(Buffer.concat(await response.toArray()).toString()).toBe(line.repeat(3));
});

test('a long page arrives whole, and others get their turn while it is written', async () => {
  let turns = 0;
  let sending = true;
  const port = await serve(async response => {
    const count = () => {
      turns += 1;
      if (sending) setImmediate(count);
    };
    setImmediate(count);
    await sendPage(response, 'text/plain', page => lines(page, 20_000));
    sending = false;
  });
  const response = await request(port);
  const body = Buffer.concat(await response.toArray());
  expect(body.length).toBe(20_000 * line.length);
  expect(body.equals(Buffer.from(line.repeat(20_000)))).toBe(true);
  expect(turns).toBeGreaterThan((20_000 * line.length) / (512 * 1024));
});

test('a scraper that hangs up mid-page ends the writing, and the server serves on', async () => {
  let written = 0;
  let ended: Promise<void> | undefined;
  function* endless(page: Bytes): Generator<void> {
    for (;;) {
      writeText(page, line);
      written += 1;
      yield;
    }
  }
  const port = await serve(response => {
    ended = sendPage(response, 'text/plain', endless);
  });
  const response = await request(port);
  await once(response, 'readable');
  response.destroy();
  await ended;
  const atHangUp = written;
  await request(port).then(another => another.destroy());
  await vi.waitFor(() => expect(written).toBeGreaterThan(atHangUp));
  await ended;
});
