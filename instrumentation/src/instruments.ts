import type { Counter, Histogram, Meter, ObservableGauge } from '@opentelemetry/api';
import { edgesWithThresholds, type MetricDefinition, type MetricKey, metrics } from './metrics.ts';

/** The OpenTelemetry instrument of every metric, typed by the metric's kind. */
export type Instruments = {
  readonly [Key in MetricKey]: InstrumentOf<(typeof metrics)[Key]['kind']>;
};

type InstrumentOf<Kind> = Kind extends 'histogram'
  ? Histogram
  : Kind extends 'counter'
    ? Counter
    : ObservableGauge;

export function createInstruments(meter: Meter, latencyThresholdsSeconds: readonly number[]): Instruments {
  const create = (metric: MetricDefinition) => createInstrument(meter, metric, latencyThresholdsSeconds);
  const entries = Object.entries(metrics).map(([key, metric]) => [key, create(metric)]);
  return Object.fromEntries(entries) as Instruments;
}

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
