import { once } from 'node:events';
import { Agent, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { type ExpressContender, expressContenders, type Middleware } from './express-contenders.ts';

/*
 * Prints what the middleware of the named contender adds to one request, as the 99th percentile in microseconds: the
 * time in it before the handler, and in its listeners on the response. Requests come one after the other.
 */

const warmup = 1_000;
const measured = 4_000;

const addedMs: number[] = [];

/** Whatever the middleware adds to the response is timed too. */
function timed(middleware: Middleware): Middleware {
  return (request, response, next) => {
    let spentMs = 0;
    const time = <Given extends unknown[]>(work: (...given: Given) => void) => {
      return (...given: Given) => {
        const begunMs = performance.now();
        work(...given);
        spentMs += performance.now() - begunMs;
      };
    };
    const { on, once: onceOf } = response;
    const timing =
      (add: typeof on) =>
      (event: string, listener: (...given: unknown[]) => void): unknown =>
        add.call(response, event, time(listener));
    Object.assign(response, { on: timing(on), once: timing(onceOf) });
    time(middleware)(request, response, () => {});
    Object.assign(response, { on, once: onceOf });
    response.on('close', () => addedMs.push(spentMs));
    next();
  };
}

const middleware = expressContenders[process.argv[2] as ExpressContender]();
if (middleware === undefined) throw new Error(`${process.argv[2]} has no middleware to time`);
const app = express();
app.use(timed(middleware), (_, response) => void response.json({ answer: 'Once upon a time' }));
const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const { port } = server.address() as AddressInfo;
for (let index = 0; index < warmup + measured; index++) {
  const [response] = await once(get({ port, host: '127.0.0.1', agent }), 'response');
  await once(response.resume(), 'end');
}
const sorted = addedMs.slice(warmup).toSorted((a, b) => a - b);
console.log(sorted[Math.floor(0.99 * sorted.length)]! * 1000);
process.exit();
