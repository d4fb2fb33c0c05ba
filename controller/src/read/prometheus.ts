import { counterQueries, freshnessQueries, type Policy } from '@relaycore/rules';
import { PrometheusDriver } from 'prometheus-query';
import { messageOf as causeOf } from '../errors.ts';
import type { Readings } from '../types.ts';
import { type CounterMemory, type CounterSample, type Increment, increments } from './increments.ts';
import { readingsOf } from './readings.ts';

/** Reads one tick; the memory of the raw counters goes from one call to the next. */
export interface Reader {
  read(policy: Policy, at: number): Promise<Readings>;
}

export interface PrometheusOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called with the seconds that each query took. */
  readonly onQuery?: (signal: string, seconds: number) => void;
}

/** Readings from Prometheus: one query a signal, and freshness once for all targets. */
export function prometheusReader({ url, timeoutMs, headers, onQuery }: PrometheusOptions): Reader {
  let memory: CounterMemory | undefined;
  let warned: string | undefined;
  const driver = new PrometheusDriver({
    endpoint: url,
    timeout: timeoutMs,
    preferPost: true,
    headers: { ...headers },
    warningHook: (warnings: unknown) => {
      warned = JSON.stringify(warnings);
    },
  });

  async function ask(what: string, promql: string, at: number): Promise<CounterSample[]> {
    const begun = performance.now();
    try {
      const answer = await driver.instantQuery(promql, at);
      return answer.result.map(({ metric, value }) => ({
        labels: metric.name ? { __name__: metric.name, ...metric.labels } : metric.labels,
        value: value.value,
      }));
    } finally {
      onQuery?.(what, (performance.now() - begun) / 1000);
    }
  }

  return {
    async read(policy, at) {
      const queries = counterQueries(policy);
      const named = Object.fromEntries(queries.map(({ signal, promql }) => [signal, promql]));
      warned = undefined;
      try {
        const [scrapedAt, startedAt, ...counters] = await Promise.all([
          ask('freshness', freshnessQueries.scrapedAt, at),
          ask('freshness', freshnessQueries.processStart, at),
          ...queries.map(({ signal, promql }) => ask(signal, promql, at)),
        ]);
        if (warned) return unread(policy, at, named, `Prometheus warned about its answer: ${warned}`);
        const fresh = freshInstances(scrapedAt, at, policy.detection.staleMs);
        const starts = new Map(startedAt.map(({ labels, value }) => [instanceKey(labels), value * 1000]));
        const step = increments(
          memory,
          counters.flat().filter(({ labels }) => fresh.has(instanceKey(labels))),
          {
            source: url,
            at,
            maxGapMs: policy.detection.maxGapMs,
            startedAt: labels => starts.get(instanceKey(labels)),
          },
        );
        memory = step.memory;
        return { at, queries: named, models: readings(policy, step.increments, fresh.size) };
      } catch (error) {
        return unread(policy, at, named, `Prometheus at ${url} did not answer: ${messageOf(error)}`);
      }
    },
  };
}

function readings(policy: Policy, grown: readonly Increment[], freshInstances: number): Readings['models'] {
  return readingsOf(policy, grown, signal =>
    freshInstances === 0
      ? 'no target was scraped lately'
      : `no ${signal} series of this model at a target that was scraped lately`,
  );
}

/** Targets whose last scrape is recent. A target that Prometheus forgot keeps its old samples for five minutes. */
function freshInstances(
  scrapedAt: readonly CounterSample[],
  at: number,
  staleMs: number,
): ReadonlySet<string> {
  return new Set(
    scrapedAt.filter(({ value }) => at - value * 1000 <= staleMs).map(({ labels }) => instanceKey(labels)),
  );
}

const instanceKey = (labels: Readonly<Record<string, string>>) => `${labels.job} ${labels.instance}`;

function unread(policy: Policy, at: number, queries: Readings['queries'], problem: string): Readings {
  return { at, queries, problem, models: readingsOf(policy, [], () => problem) };
}

/** The client rejects with a plain object that carries the message as `error`. */
function messageOf(error: unknown): string {
  const { error: told } = (error ?? {}) as { error?: unknown };
  return typeof told === 'string' && told !== '' ? told : causeOf(error);
}
