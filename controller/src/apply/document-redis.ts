import { createClient } from '@redis/client';
import type { DocumentStore } from './document.ts';
import { within } from './turns.ts';

type Client = ReturnType<typeof createClient>;

/**
 * One key a route; the value is a whole document, and the same text is published on a channel named like the key.
 * Publishing is lossy, so a gateway that subscribes reads the key now and then as well. Each call opens a connection
 * and closes it again: calls are rare, and nothing is left to mend when Redis goes away.
 */
export function redisStore(url: string, prefix: string): DocumentStore {
  const place = new URL(url).host;
  return {
    durableAcrossRestarts: false,
    where: route => `the key ${prefix}${route} of the Redis at ${place}`,
    read: async (route, signal) =>
      (await connected(url, signal, client => client.get(prefix + route))) ?? undefined,
    async replace(route, { from, to }, signal) {
      const options = { keys: [prefix + route], arguments: from === undefined ? [to] : [to, from] };
      return (await connected(url, signal, client => client.eval(replaceAndPublish, options))) === 1;
    },
  };
}

/** The comparison is of the whole text, and so of the generation in it. */
const replaceAndPublish = `
if redis.call('GET', KEYS[1]) ~= (ARGV[2] or false) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1`;

async function connected<T>(
  url: string,
  signal: AbortSignal,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client: Client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined); // the call that meets it says so
  try {
    return await within(signal, client.connect().then(work));
  } finally {
    client.destroy();
  }
}
