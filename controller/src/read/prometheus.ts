import { counterQueries, freshnessQueries, type Policy } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import type { Readings } from '../types.ts';
import { type PrometheusOptions, prometheusClient } from './client.ts';
import type { CounterMemory } from './increments.ts';
import { readingsOf } from './readings.ts';
import { readTick } from './tick.ts';

/** Reads one tick; the memory of the raw counters goes from one call to the next. */
export interface Reader {
  read(policy: Policy, at: number): Promise<Readings>;
}

/** Readings from Prometheus: one query a signal, and freshness once for all targets. */
export function prometheusReader(options: PrometheusOptions): Reader {
  const client = prometheusClient(options);
  let memory: CounterMemory | undefined;
  return {
    async read(policy, at) {
      const queries = counterQueries(policy);
      const named = Object.fromEntries(queries.map(({ signal, promql }) => [signal, promql]));
      try {
        const [scrapedAt, startedAt, ...counters] = await Promise.all([
          client.instant('freshness', freshnessQueries.scrapedAt, at),
          client.instant('freshness', freshnessQueries.processStart, at),
          ...queries.map(({ signal, promql }) => client.instant(signal, promql, at)),
        ]);
        const tick = readTick(policy, memory, options.url, {
          at,
          scrapedAt,
          startedAt,
          counters: counters.flat(),
        });
        memory = tick.memory;
        return { at, queries: named, models: tick.models };
      } catch (error) {
        return unread(policy, at, named, messageOf(error));
      }
    },
  };
}

function unread(policy: Policy, at: number, queries: Readings['queries'], problem: string): Readings {
  return { at, queries, problem, models: readingsOf(policy, [], () => problem) };
}
