import { performance } from 'node:perf_hooks';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { Counter, Histogram, Registry } from 'prom-client';
import {
  attributes,
  edgesWithThresholds,
  type HistogramKey,
  metrics,
  prometheusLabel,
  prometheusName,
} from '../../instrumentation/src/metrics.ts';
import { createModels } from '../../instrumentation/src/models.ts';
import { createStore } from '../../instrumentation/src/record/store.ts';
import { createRejections } from '../../instrumentation/src/rejections.ts';

/** What a model server asks of its telemetry; every contender keeps the same histograms and counters. */
export interface RecorderContender {
  /** A duration in seconds, into a histogram whose label set is known. */
  record(seconds: number): void;
  /** A request from arrival to answer: three times read, four histograms, two counters. */
  request(score: number): void;
}

const base = {
  [attributes.operation]: 'chat',
  [attributes.provider]: 'example',
  [attributes.model]: 'chat-1',
  [attributes.version]: '1',
};
const described = { ...base, [attributes.evaluationName]: 'accuracy', [attributes.source]: 'label' };
const answered = { ...base, [attributes.outcome]: 'ok' };
const written = { ...base, [attributes.tokenType]: 'output' };
const outputTokens = 100;

function ours(): RecorderContender {
  const store = createStore({ latencyThresholdsSeconds: [2, 5], maximumSeries: 1000 });
  const modelOf = createModels({ recorder: store, rejections: createRejections(store), maximumModels: 10 });
  const model = modelOf({ name: 'chat-1', version: '1', operation: 'chat', provider: 'example' });
  const histogram = store.histogram('requestDuration', base);
  const tokens = { output: outputTokens };
  return {
    record: histogram.record,
    request(score) {
      const ticket = model.start();
      model.begin(ticket);
      model.end(ticket);
      model.tokens(tokens);
      model.evaluate('accuracy', score);
    },
  };
}

/** One measurement into each of the metrics of a request. */
interface Instruments {
  duration(seconds: number): void;
  queue(seconds: number): void;
  inference(seconds: number): void;
  score(score: number): void;
  answered(): void;
  tokens(count: number): void;
}

function contender(instruments: Instruments): RecorderContender {
  return {
    record: instruments.duration,
    request(score) {
      const arrivedAtMs = performance.now();
      const begunAtMs = performance.now();
      instruments.queue((begunAtMs - arrivedAtMs) / 1000);
      const endedAtMs = performance.now();
      instruments.answered();
      instruments.duration((endedAtMs - arrivedAtMs) / 1000);
      instruments.inference((endedAtMs - begunAtMs) / 1000);
      instruments.tokens(outputTokens);
      instruments.score(score);
    },
  };
}

const edgesOf = (key: HistogramKey) => [...edgesWithThresholds(metrics[key], [2, 5])];

/** Attributes made once: what an application can do for it. */
function openTelemetry(): RecorderContender {
  const provider = new MeterProvider({ readers: [new PrometheusExporter({ preventServerStart: true })] });
  const meter = provider.getMeter('bench');
  const histogram = (key: HistogramKey) =>
    meter.createHistogram(metrics[key].name, { advice: { explicitBucketBoundaries: edgesOf(key) } });
  const [duration, queue] = [histogram('requestDuration'), histogram('queueDuration')];
  const [inference, scores] = [histogram('inferenceDuration'), histogram('evaluationScore')];
  const requests = meter.createCounter(metrics.requests.name);
  const tokens = meter.createCounter(metrics.tokens.name);
  return contender({
    duration: seconds => duration.record(seconds, base),
    queue: seconds => queue.record(seconds, base),
    inference: seconds => inference.record(seconds, base),
    score: score => scores.record(score, described),
    answered: () => requests.add(1, answered),
    tokens: count => tokens.add(count, written),
  });
}

/** With labels bound by `labels()`: its fastest way. */
function promClient(): RecorderContender {
  const registers = [new Registry()];
  const labelled = (labels: Readonly<Record<string, string>>) => {
    const renamed = Object.entries(labels).map(([name, value]) => [prometheusLabel(name), value]);
    return Object.fromEntries(renamed) as Record<string, string>;
  };
  const histogram = (key: HistogramKey, labels: Readonly<Record<string, string>>) => {
    const bound = labelled(labels);
    const [name, buckets] = [prometheusName(metrics[key]), edgesOf(key)];
    return new Histogram({ name, help: name, buckets, labelNames: Object.keys(bound), registers }).labels(
      bound,
    );
  };
  const counter = (name: string, labels: Readonly<Record<string, string>>) => {
    const bound = labelled(labels);
    return new Counter({ name, help: name, labelNames: Object.keys(bound), registers }).labels(bound);
  };
  const [duration, queue] = [histogram('requestDuration', base), histogram('queueDuration', base)];
  const [inference, scores] = [histogram('inferenceDuration', base), histogram('evaluationScore', described)];
  const requests = counter(prometheusName(metrics.requests), answered);
  const tokens = counter(prometheusName(metrics.tokens), written);
  return contender({
    duration: seconds => duration.observe(seconds),
    queue: seconds => queue.observe(seconds),
    inference: seconds => inference.observe(seconds),
    score: score => scores.observe(score),
    answered: () => requests.inc(1),
    tokens: count => tokens.inc(count),
  });
}

export const recorders = {
  ours,
  'sdk-metrics': openTelemetry,
  'prom-client': promClient,
} as const satisfies Record<string, () => RecorderContender>;

export type RecorderName = keyof typeof recorders;
