import { PrometheusDriver } from 'prometheus-query';
import { messageOf } from '../errors.ts';
import type { CounterSample } from './increments.ts';

export interface PrometheusOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called with the seconds that each query took. */
  readonly onQuery?: (what: string, seconds: number) => void;
}

/** Raw samples from Prometheus. A query that fails, or that Prometheus warns about, rejects with the reason. */
export interface PrometheusClient {
  instant(what: string, promql: string, at: number): Promise<CounterSample[]>;
  /** Samples by tick (epoch milliseconds), for every `stepMs` from `from` to `until`. */
  range(
    what: string,
    promql: string,
    from: number,
    until: number,
    stepMs: number,
  ): Promise<ReadonlyMap<number, CounterSample[]>>;
}

export function prometheusClient({ url, timeoutMs, headers, onQuery }: PrometheusOptions): PrometheusClient {
  const driver = new PrometheusDriver({
    endpoint: url,
    timeout: timeoutMs,
    preferPost: true,
    headers: { ...headers },
    // The client's own hook looks for warnings beside the body, where there never are any.
    responseInterceptor: {
      onFulfilled: response => {
        const { warnings } = Object(response.data);
        if (Array.isArray(warnings) && warnings.length > 0)
          throw new Error(`Prometheus warned about its answer: ${warnings.join('; ')}`);
        return response;
      },
    },
  });

  async function timed<T>(what: string, query: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await query();
    } catch (error) {
      throw new Error(`Prometheus at ${url} did not answer: ${reasonOf(error)}`);
    } finally {
      onQuery?.(what, (performance.now() - begun) / 1000);
    }
  }

  return {
    instant: (what, promql, at) =>
      timed(what, async () => {
        const { result } = await driver.instantQuery(promql, at);
        return result.map(({ metric, value }) => ({ labels: labelsOf(metric), value: value.value }));
      }),
    range: (what, promql, from, until, stepMs) =>
      timed(what, async () => {
        const { result } = await driver.rangeQuery(promql, from, until, stepMs / 1000);
        const ticks = new Map<number, CounterSample[]>();
        for (const { metric, values } of result) {
          const labels = labelsOf(metric);
          for (const { time, value } of values) {
            const at = new Date(time).getTime();
            const samples = ticks.get(at);
            if (samples) samples.push({ labels, value });
            else ticks.set(at, [{ labels, value }]);
          }
        }
        return ticks;
      }),
  };
}

const labelsOf = (metric: { readonly name?: string; readonly labels: object }): CounterSample['labels'] =>
  (metric.name ? { __name__: metric.name, ...metric.labels } : metric.labels) as CounterSample['labels'];

/** The client rejects with a plain object that carries the message as `error`. */
function reasonOf(error: unknown): string {
  const { error: told } = (error ?? {}) as { error?: unknown };
  return typeof told === 'string' && told !== '' ? told : messageOf(error);
}
