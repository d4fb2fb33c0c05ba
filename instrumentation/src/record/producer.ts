import { type HrTime, ValueType } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { LabelSet } from './recorder.ts';
import type { RecordedMetric, Store } from './store.ts';

/** The instrumentation scope of every metric of this package. */
export const scopeName = '@neuroweaver/instrumentation';

/**
 * What any OpenTelemetry reader takes (`metricProducers: [producer]`), beside what its own provider has. Sums are
 * cumulative since the store was made, whatever temporality the reader prefers.
 */
export function createProducer(store: Store): MetricProducer {
  const startTime = timeNow();
  return {
    async collect() {
      const endTime = timeNow();
      const metrics = store.read().map(metric => metricData(metric, { startTime, endTime }));
      const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: scopeName }, metrics }];
      return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
    },
  };
}

/** A producer for when everything is recorded elsewhere. */
export const emptyProducer: MetricProducer = {
  collect: async () => ({ resourceMetrics: { resource: emptyResource(), scopeMetrics: [] }, errors: [] }),
};

interface Period {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

function metricData(metric: RecordedMetric, period: Period): MetricData {
  const { name, kind, unit, description } = metric.definition;
  const common = {
    descriptor: { name, unit, description, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  switch (kind) {
    case 'histogram': {
      const dataPoints = points(metric, period, at => histogramAt(metric, at));
      return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints };
    }
    case 'counter': {
      const dataPoints = points(metric, period, at => metric.series.numbers[at]!);
      return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
    }
    case 'gauge': {
      const dataPoints = points(metric, period, at => metric.series.numbers[at]!);
      const reported = dataPoints.filter(({ value }) => !Number.isNaN(value));
      return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: reported };
    }
  }
}

function points<Value>(
  { series }: RecordedMetric,
  period: Period,
  valueAt: (at: number) => Value,
): DataPoint<Value>[] {
  const point = (labels: LabelSet, place: number) => ({
    ...period,
    attributes: labels,
    value: valueAt(place * series.width),
  });
  return series.labelSets.map(point).slice(1);
}

function histogramAt({ edges, series }: RecordedMetric, at: number): Histogram {
  const counts = [...series.numbers.subarray(at, at + edges.length + 1)];
  return {
    buckets: { boundaries: [...edges], counts },
    count: counts.reduce((total, count) => total + count, 0),
    sum: series.numbers[at + edges.length + 1]!,
  };
}

/** Never goes back with the system clock, so that no period ends before it began. */
function timeNow(): HrTime {
  const now = performance.timeOrigin + performance.now();
  const seconds = Math.floor(now / 1000);
  return [seconds, Math.floor((now - seconds * 1000) * 1e6)];
}
