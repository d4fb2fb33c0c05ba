import type { IncomingMessage, ServerResponse } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { ExpressInstrumentation } from '@opentelemetry/instrumentation-express';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { init } from '../../instrumentation/src/index.ts';
import {
  attributes,
  edgesWithThresholds,
  type HistogramKey,
  metrics,
  prometheusLabel,
  prometheusName,
} from '../../instrumentation/src/metrics.ts';

/** Middleware that keeps the time of a request and of its inference, how it ended, and how many are open. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

const base = {
  [attributes.operation]: 'chat',
  [attributes.provider]: 'example',
  [attributes.model]: 'chat-1',
  [attributes.version]: '1',
};
const edgesOf = (key: HistogramKey) => [...edgesWithThresholds(metrics[key], [2, 5])];

function ours(): Middleware {
  const ml = init({ port: 0 });
  return ml.measure(ml.model({ name: 'chat-1', version: '1', operation: 'chat', provider: 'example' }));
}

interface Instruments {
  started(): void;
  ended(seconds: number, outcome: 'ok' | 'error'): void;
}

/** What people write who have no middleware for it. */
function byHand({ started, ended }: Instruments): Middleware {
  return (_request, response, next) => {
    const arrivedAtMs = performance.now();
    started();
    response.once('finish', () => {
      ended((performance.now() - arrivedAtMs) / 1000, response.statusCode < 500 ? 'ok' : 'error');
    });
    next();
  };
}

function startProvider(): MeterProvider {
  return new MeterProvider({ readers: [new PrometheusExporter({ preventServerStart: true })] });
}

function openTelemetry(): Middleware {
  const meter = startProvider().getMeter('bench');
  const histogram = (key: HistogramKey) =>
    meter.createHistogram(metrics[key].name, { advice: { explicitBucketBoundaries: edgesOf(key) } });
  const [duration, queue] = [histogram('requestDuration'), histogram('queueDuration')];
  const inference = histogram('inferenceDuration');
  const requests = meter.createCounter(metrics.requests.name);
  const active = meter.createUpDownCounter(metrics.activeRequests.name);
  const ends = { ok: { ...base, outcome: 'ok' }, error: { ...base, outcome: 'error' } };
  return byHand({
    started() {
      active.add(1, base);
      queue.record(0, base);
    },
    ended(seconds, outcome) {
      active.add(-1, base);
      requests.add(1, ends[outcome]);
      duration.record(seconds, base);
      inference.record(seconds, base);
    },
  });
}

/** With labels bound by `labels()`: its fastest way. */
function promClient(): Middleware {
  const registers = [new Registry()];
  const labels = Object.fromEntries(
    Object.entries(base).map(([name, value]) => [prometheusLabel(name), value]),
  );
  const labelNames = Object.keys(labels);
  const described = (name: string) => ({ name, help: name, registers });
  const histogram = (key: HistogramKey) => {
    const name = prometheusName(metrics[key]);
    return new Histogram({ ...described(name), buckets: edgesOf(key), labelNames }).labels(labels);
  };
  const [duration, queue] = [histogram('requestDuration'), histogram('queueDuration')];
  const inference = histogram('inferenceDuration');
  const active = new Gauge({ ...described(prometheusName(metrics.activeRequests)), labelNames }).labels(
    labels,
  );
  const requests = new Counter({
    ...described(prometheusName(metrics.requests)),
    labelNames: [...labelNames, 'outcome'],
  });
  const ends = {
    ok: requests.labels({ ...labels, outcome: 'ok' }),
    error: requests.labels({ ...labels, outcome: 'error' }),
  };
  return byHand({
    started() {
      active.inc();
      queue.observe(0);
    },
    ended(seconds, outcome) {
      active.dec();
      ends[outcome].inc();
      duration.observe(seconds);
      inference.observe(seconds);
    },
  });
}

/** Metrics only: no span is recorded, and no context kept. What it patches has to be loaded after it. */
function automatic(): undefined {
  const meterProvider = startProvider();
  for (const patch of [new HttpInstrumentation(), new ExpressInstrumentation()])
    patch.setMeterProvider(meterProvider);
}

export const expressContenders = {
  ours,
  bare: () => undefined,
  'auto-instrumentation': automatic,
  'sdk-metrics': openTelemetry,
  'prom-client': promClient,
} as const satisfies Record<string, () => Middleware | undefined>;

export type ExpressContender = keyof typeof expressContenders;
