import {
  balanceQueries,
  type CounterQuery,
  counterQueries,
  freshnessQueries,
  type Policy,
  type ResourceQuery,
  resourceQueries,
} from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import type { Readings } from '../types.ts';
import { type PrometheusClient, type PrometheusOptions, prometheusClient } from './client.ts';
import { readingsOf } from './readings.ts';
import { counted, type RawTick, readTick, type TickMemory } from './tick.ts';

/** Reads one tick; the memory of the raw counters goes from one call to the next. */
export interface Reader {
  read(policy: Policy, at: number): Promise<Readings>;
}

/**
 * Readings from Prometheus: a query or two a signal, one a resource, and freshness once for all targets. Without the
 * built-in signals nothing is known; what the policy adds leaves the others alone when it cannot be asked for.
 */
export function prometheusReader(options: PrometheusOptions): Reader {
  const { url, timeoutMs } = options;
  return readerOf(url, {
    needed: prometheusClient(options),
    optional: prometheusClient({ ...options, timeoutMs: timeoutMs * optionalShare }),
  });
}

/** @param source the server that the clients ask */
export function readerOf(source: string, clients: Clients): Reader {
  let memory: TickMemory | undefined;
  return {
    async read(policy, at) {
      const asked = {
        counters: counterQueries(policy),
        resources: [...resourceQueries(policy.resources), ...balanceQueries(policy)],
      };
      const queries = Object.fromEntries(
        [...asked.counters, ...asked.resources].map(({ name, promql }) => [name, promql]),
      );
      try {
        const raw = await rawTick(clients, asked, at);
        const { memory: next, ...read } = readTick(policy, memory, source, raw);
        memory = next;
        return { at, queries, ...read, failures: raw.failures };
      } catch (error) {
        return unread(policy, at, queries, messageOf(error));
      }
    },
  };
}

/** What the policy adds may not hold up the others either: it gets this share of their time to answer. */
const optionalShare = 0.25;

/** For the built-in signals, and for what the policy adds. */
export interface Clients {
  readonly needed: Pick<PrometheusClient, 'instant'>;
  readonly optional: Pick<PrometheusClient, 'instant'>;
}

interface Asked {
  readonly counters: readonly CounterQuery[];
  readonly resources: readonly ResourceQuery[];
}

async function rawTick(
  { needed, optional }: Clients,
  { counters, resources }: Asked,
  at: number,
): Promise<RawTick> {
  const failures = new Map<string, string>();
  const attempt = (signal: string, { name, promql }: ResourceQuery) =>
    optional.instant(name, promql, at).catch(error => {
      failures.set(signal, `${name} could not be read: ${messageOf(error)}`);
      return [];
    });
  const [scrapedAt, startedAt, counts, values] = await Promise.all([
    needed.instant('freshness', freshnessQueries.scrapedAt, at),
    needed.instant('freshness', freshnessQueries.processStart, at),
    Promise.all(
      counters.map(async query =>
        query.custom
          ? counted(query, await attempt(query.signal, query))
          : needed.instant(query.name, query.promql, at),
      ),
    ),
    Promise.all(resources.map(async query => [query.name, await attempt(query.name, query)] as const)),
  ]);
  return { at, scrapedAt, startedAt, counters: counts.flat(), gauges: new Map(values), failures };
}

function unread(policy: Policy, at: number, queries: Readings['queries'], problem: string): Readings {
  const models = readingsOf(policy, [], () => problem);
  return { at, queries, problem, models, resources: new Map() };
}
