import { freshnessQueries } from '@relaycore/rules';
import type { PrometheusClient } from '../../controller/src/read/client.ts';
import type { CounterSample } from '../../controller/src/read/increments.ts';
import type { Random } from '../sim/random.ts';
import type { PrometheusTrouble } from './episodes.ts';
import type { Life } from './life.ts';
import type { Instance } from './traffic.ts';

/** A Prometheus that scrapes pages and answers the controller's queries, as well as it can at the moment. */
export interface FakePrometheus {
  /** Scrapes what can be scraped. */
  scrape(at: number, pageOf: (instance: Instance) => 'up' | 'down' | 'not scraped'): void;
  connect(life: Life, timeoutMs: number): Pick<PrometheusClient, 'instant'>;
}

interface Scrape {
  readonly at: number;
  /** Absent when the instance was down. */
  readonly page?: { readonly startedAt: number; readonly values: readonly number[] };
}

/** What is wrong for this query now. */
export type PrometheusFaults = (query: string) => readonly PrometheusTrouble[];

/** A query may ask for a moment ago. */
const scrapesKept = 3;

export function fakePrometheus(
  instances: readonly Instance[],
  faults: PrometheusFaults,
  random: Random,
): FakePrometheus {
  const scrapes = new Map<Instance, Scrape[]>(instances.map(instance => [instance, []]));
  const latest = (instance: Instance, at: number) =>
    scrapes.get(instance)!.findLast(scrape => scrape.at <= at);

  function answer(what: string, promql: string, at: number): CounterSample[] {
    return instances.flatMap(instance => {
      const scrape = latest(instance, at);
      if (!scrape) return [];
      const { target } = instance;
      if (promql === freshnessQueries.scrapedAt) return [{ labels: target, value: scrape.at / 1000 }];
      const { page } = scrape;
      if (!page) return [];
      if (promql === freshnessQueries.processStart) return [{ labels: target, value: page.startedAt / 1000 }];
      return instance.counters.flatMap(({ signal, labels }, i) =>
        signal === what ? [{ labels, value: page.values[i]! }] : [],
      );
    });
  }

  return {
    scrape(at, pageOf) {
      for (const instance of instances) {
        const state = pageOf(instance);
        if (state === 'not scraped') continue;
        const list = scrapes.get(instance)!;
        const { startedAt, counters } = instance;
        const page = { startedAt, values: counters.map(({ value }) => value) };
        list.push(state === 'up' ? { at, page } : { at });
        if (list.length > scrapesKept) list.shift();
      }
    },
    connect: (life, timeoutMs) => ({
      async instant(what, promql, at) {
        const wrong = faults(what);
        const tookMs = wrong.includes('is slow') ? random() * 2 * timeoutMs : 1 + random() * 20;
        return life.ask(
          () => {
            const refusal = refusalOf(wrong, tookMs > timeoutMs);
            if (refusal !== undefined) throw new Error(`Prometheus did not answer: ${refusal}`);
            return answer(what, promql, at);
          },
          Math.min(tookMs, timeoutMs),
          0,
        );
      },
    }),
  };
}

function refusalOf(wrong: readonly PrometheusTrouble[], isLate: boolean): string | undefined {
  if (wrong.includes('is down')) return 'connect ECONNREFUSED';
  if (wrong.includes('fails one query')) return 'answered 503';
  if (wrong.includes('warns')) return 'Prometheus warned about its answer: a block could not be read';
  return isLate ? 'it took too long' : undefined;
}
