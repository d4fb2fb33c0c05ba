import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { type PageContender, pages } from './pages.ts';
import { processorMs } from './processor-time.ts';

/*
 * Prints how long a scrape of the named contender holds up the event loop, in milliseconds: the longest of three, after
 * one that nobody counts. Alone in its process, where no other contender's memory is to be collected.
 */

/** A scraper in a thread of its own: reading a page is not the server's work. */
const scraper = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', async url => {
    const response = await fetch(url);
    parentPort.postMessage((await response.arrayBuffer()).byteLength);
  });
`;

/**
 * The longest that a scrape holds up the event loop of its server, in milliseconds: the most that its thread works
 * between two turns, from the request to the end of the answer.
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
  const worker = new Worker(scraper, { eval: true });
  worker.postMessage(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
  const [bytes] = await once(worker, 'message');
  if (bytes < 1000) throw new Error(`the scraper got only ${bytes} bytes`);
  const result = await longest.promise;
  await worker.terminate();
  server.close();
  return result;
}

function watchTurns(): { stop(): number } {
  let last = processorMs();
  let longest = 0;
  let next: NodeJS.Immediate;
  const note = () => {
    const now = processorMs();
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
