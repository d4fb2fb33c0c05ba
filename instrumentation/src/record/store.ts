import {
  attributes,
  edgesWithThresholds,
  type MetricDefinition,
  type MetricKey,
  metrics,
} from '../metrics.ts';
import { type Buckets, bucketOfMeasured, createBuckets, measured } from './buckets.ts';
import { type Exemplar, lookForTracing } from './exemplars.ts';
import type { Counter, Gauge, Histogram, LabelSet, Recorder } from './recorder.ts';
import { createSeries, type Series } from './series.ts';

/** One metric as it is recorded. Of a histogram, a series' numbers are its bucket counts and then its sum. */
export interface RecordedMetric {
  readonly definition: MetricDefinition;
  /** Empty unless it is a histogram. */
  readonly edges: readonly number[];
  readonly series: Series;
  /** By where the bucket's count is among the numbers. */
  readonly exemplars: ReadonlyMap<number, Exemplar>;
}

/** Records into arrays of numbers: nothing is allocated on the way. */
export interface Store extends Recorder {
  /** The metrics that have series, after everybody has set their gauges. */
  read(): readonly RecordedMetric[];
}

export interface StoreOptions {
  readonly latencyThresholdsSeconds: readonly number[];
  /** Series of one metric; label sets beyond it are refused, and counted by metric. */
  readonly maximumSeries: number;
}

export function createStore({ latencyThresholdsSeconds, maximumSeries }: StoreOptions): Store {
  const updates = new Set<() => void>();
  const dropped = createMetric(metrics.droppedSeries, { edges: [], maximum: Number.POSITIVE_INFINITY });
  const create = (definition: MetricDefinition): StoredMetric => {
    if (definition === metrics.droppedSeries) return dropped;
    const edges = edgesWithThresholds(definition, latencyThresholdsSeconds);
    if (definition.attributes.length === 0) return createMetric(definition, { edges, maximum: 1 });
    const refusals = counterAt(dropped.series, { [attributes.metric]: definition.name });
    return createMetric(definition, { edges, maximum: maximumSeries, onRefused: () => refusals.add(1) });
  };
  const entries = Object.entries(metrics).map(([key, metric]) => [key, create(metric)]);
  const stored: Readonly<Record<MetricKey, StoredMetric>> = Object.fromEntries(entries);

  return {
    histogram: (key, labels) => histogramAt(stored[key], labels),
    counter: (key, labels) => counterAt(stored[key].series, labels),
    gauge: (key, labels) => gaugeAt(stored[key].series, labels),
    beforeReading(update) {
      updates.add(update);
      return () => updates.delete(update);
    },
    read() {
      lookForTracing();
      for (const update of updates) update();
      return Object.values(stored).filter(({ series }) => series.labelSets.length > 1);
    },
  };
}

interface MetricOptions {
  readonly edges: readonly number[];
  readonly maximum: number;
  readonly onRefused?: () => void;
}

function createMetric(definition: MetricDefinition, options: MetricOptions): StoredMetric {
  const { edges, maximum, onRefused = () => {} } = options;
  const isHistogram = definition.kind === 'histogram';
  const width = isHistogram ? edges.length + 2 : 1;
  const series = createSeries(definition, { width, maximum, onRefused });
  const buckets = isHistogram ? createBuckets(edges) : noBuckets;
  return { definition, edges, series, buckets, exemplars: new Map() };
}

const noBuckets = createBuckets([]);

interface StoredMetric extends RecordedMetric {
  readonly buckets: Buckets;
  readonly exemplars: Map<number, Exemplar>;
}

function histogramAt(stored: StoredMetric, labels: LabelSet): Histogram {
  const begin = stored.series.find(labels);
  return {
    record(value) {
      measured[0] = value;
      recordMeasured(stored, begin);
    },
    recordBetween(timesMs, from, to) {
      measured[0] = (timesMs[to]! - timesMs[from]!) / 1000;
      return recordMeasured(stored, begin);
    },
    recordEdge(edge) {
      const { numbers, width } = stored.series;
      numbers[begin + edge]! += 1;
      numbers[begin + width - 1]! += stored.edges[edge]!;
    },
    exemplify(value, { traceId, spanId }) {
      if (!(value >= 0)) return;
      measured[0] = value;
      const bucket = begin + bucketOfMeasured(stored.buckets);
      stored.exemplars.set(bucket, { traceId, spanId, value, at: Date.now() });
    },
  };
}

function recordMeasured({ series, buckets }: StoredMetric, begin: number): boolean {
  const value = measured[0]!;
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return false;
  const { numbers, width } = series;
  numbers[begin + bucketOfMeasured(buckets)]! += 1;
  numbers[begin + width - 1]! += value;
  return true;
}

function counterAt(series: Series, labels: LabelSet): Counter {
  const at = series.find(labels);
  return {
    add(amount) {
      series.numbers[at]! += amount;
    },
  };
}

function gaugeAt(series: Series, labels: LabelSet): Gauge {
  const at = series.find(labels);
  return {
    set(value) {
      series.numbers[at] = value;
    },
  };
}
