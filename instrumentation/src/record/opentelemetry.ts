import type { BatchObservableResult, Counter, Histogram, Meter, ObservableGauge } from '@opentelemetry/api';
import {
  edgesWithThresholds,
  type GaugeKey,
  type MetricDefinition,
  type MetricKey,
  metrics,
} from '../metrics.ts';
import type { Histogram as BoundHistogram, LabelSet, Recorder } from './recorder.ts';

/**
 * Records through the OpenTelemetry API, into whatever provider the application has. Its SDK sorts and joins the
 * attributes at each measurement and cannot create a histogram at zero; the store does neither, and is what is used
 * wherever a reader can take its producer.
 */
export function createOpenTelemetryRecorder(
  meter: Meter,
  latencyThresholdsSeconds: readonly number[],
): Recorder {
  const create = (metric: MetricDefinition) => createInstrument(meter, metric, latencyThresholdsSeconds);
  const entries = Object.entries(metrics).map(([key, metric]) => [key, create(metric)]);
  const instruments = Object.fromEntries(entries) as Instruments;
  const gauges = new Map<string, { instrument: ObservableGauge; labels: LabelSet; value: number }>();
  const updates = new Set<() => void>();

  function observeAll(result: BatchObservableResult): void {
    for (const update of updates) update();
    for (const { instrument, labels, value } of gauges.values())
      if (!Number.isNaN(value)) result.observe(instrument, value, labels);
  }
  const observed = Object.entries(metrics).filter(([, { kind }]) => kind === 'gauge');
  meter.addBatchObservableCallback(
    observeAll,
    observed.map(([key]) => instruments[key as GaugeKey]),
  );

  return {
    histogram(key, labels) {
      const record = (value: number) => instruments[key].record(value, labels);
      const edges = edgesWithThresholds(metrics[key], latencyThresholdsSeconds);
      return {
        record,
        recordBetween: recordingBetween(record),
        recordEdge: edge => record(edges[edge]!),
        // The SDK takes the exemplars itself.
        exemplify() {},
      };
    },
    counter(key, labels) {
      instruments[key].add(0, labels);
      return { add: amount => instruments[key].add(amount, labels) };
    },
    gauge(key, labels) {
      const name = JSON.stringify([key, labels]);
      const gauge = gauges.get(name) ?? { instrument: instruments[key], labels, value: 0 };
      gauges.set(name, gauge);
      return {
        set(value) {
          gauge.value = value;
        },
      };
    },
    beforeReading(update) {
      updates.add(update);
      return () => updates.delete(update);
    },
  };
}

function recordingBetween(record: (value: number) => void): BoundHistogram['recordBetween'] {
  return (timesMs, from, to) => {
    const seconds = (timesMs[to]! - timesMs[from]!) / 1000;
    const isDuration = seconds >= 0;
    if (isDuration) record(seconds);
    return isDuration;
  };
}

/** The OpenTelemetry instrument of every metric, typed by the metric's kind. */
type Instruments = {
  readonly [Key in MetricKey]: InstrumentOf<(typeof metrics)[Key]['kind']>;
};

type InstrumentOf<Kind> = Kind extends 'histogram'
  ? Histogram
  : Kind extends 'counter'
    ? Counter
    : ObservableGauge;

function createInstrument(meter: Meter, metric: MetricDefinition, thresholdsSeconds: readonly number[]) {
  const { name, kind, unit, description } = metric;
  switch (kind) {
    case 'counter':
      return meter.createCounter(name, { unit, description });
    case 'gauge':
      return meter.createObservableGauge(name, { unit, description });
    case 'histogram': {
      const explicitBucketBoundaries = [...edgesWithThresholds(metric, thresholdsSeconds)];
      return meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries } });
    }
  }
}
