import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { type PageContender, pages } from './pages.ts';

/*
 * Prints how long a scrape of the named contender holds up the event loop, in milliseconds: the longest of three, after
 * one that nobody counts. Alone in its process, where no other contender's memory is to be collected.
 */

/** A scraper in a process of its own: as a thread of this one it would take turns with the server. */
const scraper = `
  fetch(process.argv[1]).then(response => response.arrayBuffer()).then(page => console.log(page.byteLength));
`;

/**
 * The longest that a scrape holds up the event loop of its server, in milliseconds: between two turns, from the request
 * to the end of the answer.
 */
async function longestBlock(page: PageContender): Promise<number> {
  const longest = Promise.withResolvers<number>();
  const server = createServer((_, response) => {
    const watch = watchTurns();
    response.once('close', () => longest.resolve(watch.stop()));
    page.send(response).catch(longest.reject);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', scraper, url]);
  const bytes = Number(stdout);
  if (bytes < 1000) throw new Error(`the scraper got only ${bytes} bytes`);
  const result = await longest.promise;
  server.close();
  return result;
}

function watchTurns(): { stop(): number } {
  let last = performance.now();
  let longest = 0;
  let next: NodeJS.Immediate;
  const note = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const turn = () => {
    note();
    next = setImmediate(turn);
  };
  turn();
  return {
    stop() {
      clearImmediate(next);
      note();
      return longest;
    },
  };
}

const blockLabelSets = 10_000;
const page = pages[process.argv[2] as keyof typeof pages](blockLabelSets);
await longestBlock(page);
const blocks = [await longestBlock(page), await longestBlock(page), await longestBlock(page)];
console.log(Math.max(...blocks));
