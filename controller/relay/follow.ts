/** Reads routes from a source again and again, and at once when it announces something. */

import { messageOf } from '../src/errors.ts';
import { fileSource } from './follow-file.ts';
import { redisSource } from './follow-redis.ts';
import { urlSource } from './follow-url.ts';
import type { FollowOptions, Log, Route } from './options.ts';
import { parseKeptState } from './state.ts';
import type { Store } from './store.ts';

/** A place that says what routes are. */
export interface RouteSource {
  /** For people; no secret is in it. */
  readonly where: string;
  /** @param wake to be called when something may have changed; the routes are read soon after */
  open(routes: readonly string[], wake: () => void): OpenSource;
}

export interface OpenSource {
  /** Offers what the source says now. Rejects when it cannot be reached, at the latest when the signal aborts. */
  read(offer: Offer, signal: AbortSignal): Promise<void>;
  close(): Promise<void> | void;
}

/**
 * Takes a route as the contract spells it, or why what the source says of it is of no use. Returns whether it was of
 * use, so that it need not be offered again.
 */
export type Offer = (route: string, said: unknown) => boolean;

interface Context {
  readonly routes: ReadonlyMap<string, Route>;
  readonly store: Store;
  readonly log: Log;
  readonly random: () => number;
}

const defaultPollMs = 2_000;
const readDeadlineMs = 2_000;

/** Follows until closed. Whatever happens to the source, the last known routes stay. */
export function follow(options: FollowOptions, { routes, store, log, random }: Context) {
  const source = sourceOf(options);
  const complaints = createComplaints(log);
  const pollMs = options.pollMs ?? defaultPollMs;
  const closing = new AbortController();
  let woken = Promise.withResolvers<void>();
  const wake = () => woken.resolve();
  const open = source.open([...routes.keys()], wake);
  const ended = run();

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      woken = Promise.withResolvers();
      await readOnce();
      // Many gateways that started together must not ask together for ever.
      await firstOf(woken.promise, pollMs * (0.9 + random() / 5));
    }
  }

  async function readOnce(): Promise<void> {
    try {
      await open.read(offer, AbortSignal.any([closing.signal, AbortSignal.timeout(readDeadlineMs)]));
      complaints.settle('', `${source.where} can be read again`);
    } catch (cause) {
      if (closing.signal.aborted || complaints.stands('')) return; // said once, though the words may change
      const message = `${source.where} cannot be read (${messageOf(cause)}); the last known routes stay`;
      complaints.complain('', message, cause);
    }
  }

  function offer(name: string, said: unknown): boolean {
    const route = routes.get(name);
    if (!route) return true;
    const parsed = said instanceof Error ? undefined : parseKeptState(route, said);
    if (parsed?.kind !== 'valid') {
      const why = parsed
        ? parsed.problems.map(({ path, message }) => `${path} ${message}`).join('; ')
        : messageOf(said);
      complaints.complain(name, unusable(name, why));
      return false;
    }
    const result = store.adopt(name, parsed.state);
    if (result.kind === 'stale' && parsed.state.generation === result.state.generation)
      complaints.complain(name, unusable(name, result.message));
    else complaints.settle(name, `${source.where} says something usable of route "${name}" again`);
    return true;
  }

  function unusable(name: string, why: string): string {
    return `${source.where}: what it says of route "${name}" is not used: ${why}`;
  }

  return {
    async close(): Promise<void> {
      closing.abort();
      wake();
      await open.close();
      await ended;
    },
  };
}

function sourceOf(options: FollowOptions): RouteSource {
  if ('redis' in options) return redisSource(options.redis, options.prefix);
  if ('file' in options) return fileSource(options.file);
  return urlSource(options.url, options.token);
}

/** Each complaint is logged once, until it changes or is settled. */
function createComplaints(log: Log) {
  const standing = new Map<string, string>();
  return {
    stands: (about: string) => standing.has(about),
    complain(about: string, message: string, cause?: unknown): void {
      if (standing.get(about) === message) return;
      standing.set(about, message);
      log({ kind: 'source unusable', level: 'warning', message, cause, ...(about && { route: about }) });
    },
    settle(about: string, message: string): void {
      if (!standing.delete(about)) return;
      log({ kind: 'source usable again', level: 'info', message, ...(about && { route: about }) });
    },
  };
}

/** Keeps no process alive. */
function firstOf(event: Promise<void>, timeoutMs: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, timeoutMs);
    timer.unref();
    event.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
