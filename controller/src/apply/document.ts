import type { DriverConfig } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import { fileStore } from './document-file.ts';
import { redisStore } from './document-redis.ts';
import { type ApplyResult, compared, type Desired, fenced, type GatewayDriver } from './driver.ts';
import { routeIn, withRoute } from './route-document.ts';

/** Where route documents are kept. */
export interface DocumentStore {
  readonly durableAcrossRestarts: boolean;
  /** The place of a route's document, for people. */
  where(route: string): string;
  /** Undefined when there is none yet. */
  read(route: string, signal: AbortSignal): Promise<string | undefined>;
  /** Replaces the text while it still is what was read; false when it no longer is. */
  replace(
    route: string,
    change: { readonly from: string | undefined; readonly to: string },
    signal: AbortSignal,
  ): Promise<boolean>;
}

type Options = Omit<Extract<DriverConfig, { kind: 'document' }>, 'kind'>;

/** Keeps each route as a document that its gateway reads: a file, or a key of Redis. */
export function documentDriver({ file, redis, prefix }: Options): GatewayDriver {
  const store = redis === undefined ? fileStore(file!) : redisStore(redis, prefix);

  /** Whoever was faster is read again, until the change is in or refused. */
  async function change(route: string, desired: Desired, signal: AbortSignal): Promise<ApplyResult> {
    for (;;) {
      signal.throwIfAborted();
      const from = await store.read(route, signal);
      const next = changed(store.where(route), from, route, desired);
      if (typeof next !== 'string') return next;
      if (await store.replace(route, { from, to: next }, signal)) return { kind: 'applied' };
    }
  }

  return {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: true,
      durableAcrossRestarts: store.durableAcrossRestarts,
      expectedEffectMs: 100,
    }),
    read: async (route, signal) => routeIn(await store.read(route, signal), route),
    apply: (route, desired, signal) =>
      change(route, desired, signal).catch(
        (error): ApplyResult => ({ kind: 'unknown', detail: `${store.where(route)}: ${messageOf(error)}` }),
      ),
    async verify(route, desired, signal) {
      try {
        return compared(store.where(route), routeIn(await store.read(route, signal), route), desired);
      } catch (error) {
        return { kind: 'unknown', detail: `${store.where(route)}: ${messageOf(error)}` };
      }
    },
    async close() {},
  };
}

/** The next text, or why there is none. */
function changed(
  where: string,
  text: string | undefined,
  route: string,
  desired: Desired,
): string | ApplyResult {
  try {
    return fenced(where, routeIn(text, route), desired) ?? withRoute(text, route, desired);
  } catch (error) {
    return { kind: 'rejected', detail: `${where}: ${messageOf(error)}` };
  }
}
