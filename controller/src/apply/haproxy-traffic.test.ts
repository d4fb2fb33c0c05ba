import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { freePort } from '../../../test/support/servers.ts';
import { switchTo } from '../../../test/support/switching.ts';
import { startLoad } from '../../../test/support/wrk.ts';
import { ask, openRequest, startServer } from '../../relay/fixture.ts';
import { startHaproxyGateway } from './fixture.ts';
import { haproxyDriver } from './haproxy.ts';

/* Switches as callers see them. `npm run bench -- switching` measures more of them. */

const route = 'mail-filter';
const targets = ['a', 'b'];

/** Two models behind HAProxy; what is asked of /stream stays open until `finish`. */
async function start() {
  const open: ServerResponse[] = [];
  const model = (name: string) =>
    startServer((request, response) => {
      if (request.url !== '/stream') return void response.end(name);
      response.write(name);
      open.push(response);
    });
  const servers = await Promise.all(targets.map(model));
  const port = await freePort();
  const haproxy = await startHaproxyGateway(`frontend callers
  bind 127.0.0.1:${port}
  default_backend ${route}
backend ${route}
${servers.map((url, i) => `  server ${targets[i]} ${new URL(url).host} weight ${i === 0 ? 100 : 0}\n`).join('')}`);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    driver: haproxyDriver({ socket: new URL(haproxy.url).host, servers: {} }),
    answer: async () => (await ask(url)).text(),
    finish(name: string) {
      for (const response of open.splice(0)) response.end(name);
    },
  };
}

test('under load no request fails, and the new target answers at once', async () => {
  const { url, driver, answer } = await start();
  const load = await startLoad(url, 8);
  const delaysMs: number[] = [];
  for (let generation = 1; generation <= 8; generation++) {
    const target = targets[generation % 2]!;
    delaysMs.push(await switchTo(target, { driver, route, targets, generation, ask: answer }));
    for (let i = 0; i < 20; i++) expect(await answer()).toBe(target);
  }
  const { requests, failed } = await load.stop();
  expect(failed).toBe(0);
  expect(requests).toBeGreaterThan(100);
  // Measured p99 is a few milliseconds; a loaded machine may take longer, but no switch waits for a timer.
  expect(Math.max(...delaysMs)).toBeLessThan(1_000);
});

test('a stream that began before the switch ends on the old target', async () => {
  const { url, driver, answer, finish } = await start();
  const { answer: stream } = await openRequest(`${url}/stream`);
  let heard = '';
  stream.on('data', piece => {
    heard += piece;
  });
  await switchTo('b', { driver, route, targets, generation: 1, ask: answer });
  finish(' to the end');
  await once(stream, 'end');
  expect(heard).toBe('a to the end');
  expect(await answer()).toBe('b');
});
