import type { SpanContext } from '@opentelemetry/api';
import type { CounterKey, GaugeKey, HistogramKey } from '../metrics.ts';

/** OpenTelemetry attribute names and their values. */
export type LabelSet = Readonly<Record<string, string>>;

/**
 * Where measurements go. A handle is resolved once for its label set, so that recording looks nothing up; the series
 * exists at zero from then on. Resolving the same label set again gives the same series.
 */
export interface Recorder {
  histogram(key: HistogramKey, labels: LabelSet): Histogram;
  counter(key: CounterKey, labels: LabelSet): Counter;
  gauge(key: GaugeKey, labels: LabelSet): Gauge;
  /** Calls `update`, which must not throw, before the values are read, so that it can set gauges. Returns how to stop. */
  beforeReading(update: () => void): () => void;
}

export interface Histogram {
  /** @param value in the metric's unit, finite and not negative; anything else is ignored */
  record(value: number): void;
  /**
   * Records the time between two entries of an array of milliseconds, in seconds; false if there is none, or the clock
   * went back. Entries instead of times, because a number with a fraction that is passed on can cost an object.
   */
  recordBetween(timesMs: Float64Array, from: number, to: number): boolean;
  /** Records the value of a bucket edge, by its place among the edges. */
  recordEdge(edge: number): void;
  /** Names a trace as the example of the bucket that the value, which was recorded, is in. */
  exemplify(value: number, span: SpanContext): void;
}

export interface Counter {
  /** @param amount not negative */
  add(amount: number): void;
}

export interface Gauge {
  /** NaN says that there is nothing to report now. */
  set(value: number): void;
}
