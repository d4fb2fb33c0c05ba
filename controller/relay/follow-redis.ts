/** Routes from the documents that the document driver keeps in Redis. */

import { once } from 'node:events';
import { createClient } from '@redis/client';
import { within } from '../src/apply/turns.ts';
import type { RouteSource } from './follow.ts';
import { routeFrom } from './follow-document.ts';

const defaultPrefix = 'relaycore:route:';
const connectTimeoutMs = 2_000;
const longestPauseMs = 2_000;

/**
 * A message on the channel of a key only says that it is time to read the key: messages get lost, and what is read is
 * never older than what was announced. A connection that stops answering is replaced.
 */
export function redisSource(url: string, prefix = defaultPrefix): RouteSource {
  return {
    where: `the Redis at ${new URL(url).host}`,
    open(routes, wake) {
      const keys = routes.map(route => prefix + route);
      let client = connect();
      let closed = false;

      function connect() {
        const connecting = createClient({
          url,
          disableOfflineQueue: true,
          socket: { connectTimeout: connectTimeoutMs, reconnectStrategy: pauseMs },
        });
        connecting.on('error', () => undefined); // the reading that meets it says so
        connecting.on('ready', () => {
          // Read once subscribed, so that nothing falls between the two.
          connecting.subscribe(keys, wake).then(wake, () => undefined);
        });
        connecting.connect().catch(() => undefined);
        return connecting;
      }

      return {
        async read(offer, signal) {
          const reading = client;
          if (!reading.isReady) await once(reading, 'ready', { signal });
          const texts = await within(signal, reading.mGet(keys)).catch(error => {
            // No answer at all: the other end may be gone without a word.
            if (signal.aborted && !closed && client === reading) {
              reading.destroy();
              client = connect();
            }
            throw error;
          });
          for (const [index, route] of routes.entries()) {
            const said = routeFrom(texts[index] ?? emptyDocument, route);
            if (said !== undefined) offer(route, said);
          }
        },
        close() {
          closed = true;
          client.destroy();
        },
      };
    },
  };
}

const emptyDocument = '{ "flags": {} }';

/** Before the next try to connect: twice as long each time, and not all gateways at once. */
function pauseMs(retries: number): number {
  return Math.min(longestPauseMs, 50 * 2 ** retries) * (0.5 + Math.random() / 2);
}
