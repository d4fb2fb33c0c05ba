import { type CounterQuery, counterQueries, freshnessQueries, type Policy } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import type { Readings } from '../types.ts';
import { type PrometheusClient, type PrometheusOptions, prometheusClient } from './client.ts';
import type { CounterSample } from './increments.ts';
import { readingsOf } from './readings.ts';
import { counted, readTick, type TickMemory } from './tick.ts';

/** Reads one tick; the memory of the raw counters goes from one call to the next. */
export interface Reader {
  read(policy: Policy, at: number): Promise<Readings>;
}

/**
 * Readings from Prometheus: a query or two a signal, and freshness once for all targets. Without the built-in signals
 * nothing is known; one that the policy adds leaves the others alone when it cannot be asked for.
 */
export function prometheusReader(options: PrometheusOptions): Reader {
  const client = prometheusClient(options);
  let memory: TickMemory | undefined;
  return {
    async read(policy, at) {
      const queries = counterQueries(policy);
      const named = Object.fromEntries(queries.map(({ name, promql }) => [name, promql]));
      try {
        const failures = new Map<string, string>();
        const [scrapedAt, startedAt, ...counters] = await Promise.all([
          client.instant('freshness', freshnessQueries.scrapedAt, at),
          client.instant('freshness', freshnessQueries.processStart, at),
          ...queries.map(query => countersOf(client, query, at, failures)),
        ]);
        const tick = readTick(policy, memory, options.url, {
          at,
          scrapedAt,
          startedAt,
          counters: counters.flat(),
          failures,
        });
        memory = tick.memory;
        return { at, queries: named, models: tick.models };
      } catch (error) {
        return unread(policy, at, named, messageOf(error));
      }
    },
  };
}

async function countersOf(
  client: PrometheusClient,
  query: CounterQuery,
  at: number,
  failures: Map<string, string>,
): Promise<readonly CounterSample[]> {
  const { name, signal, promql, custom } = query;
  try {
    return counted(query, await client.instant(name, promql, at));
  } catch (error) {
    if (!custom) throw error;
    failures.set(signal, `${name} could not be read: ${messageOf(error)}`);
    return [];
  }
}

function unread(policy: Policy, at: number, queries: Readings['queries'], problem: string): Readings {
  return { at, queries, problem, models: readingsOf(policy, [], () => problem) };
}
