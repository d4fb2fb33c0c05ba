import { type DataPoint, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import type { Bytes } from './bytes.ts';
import type { FamilyHead } from './format.ts';
import { histogramText, writeHistogram, writeSample } from './lines.ts';
import { labelsText, metricName } from './text.ts';

/** The head of a metric of the application's own; undefined where Prometheus' formats have nothing for it. */
export function foreignHead(metric: MetricData): FamilyHead | undefined {
  const { name, description, unit } = metric.descriptor;
  const kind = kindOf(metric);
  const clean = metricName(name);
  if (kind === undefined || clean === undefined) return undefined;
  const suffix = kind === 'counter' && !clean.endsWith('_total') ? '_total' : '';
  return { name: clean + suffix, kind, help: description, unit };
}

function kindOf(metric: MetricData): 'counter' | 'gauge' | 'histogram' | undefined {
  switch (metric.dataPointType) {
    case DataPointType.SUM:
      return metric.isMonotonic ? 'counter' : 'gauge';
    case DataPointType.GAUGE:
      return 'gauge';
    case DataPointType.HISTOGRAM:
      return 'histogram';
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return undefined;
  }
}

/** Writes the samples of one metric, and pauses after each. `onCollision` hears of labels that could not stay. */
export function* writeForeign(
  page: Bytes,
  name: string,
  metric: MetricData,
  onCollision: () => void,
): Generator<void> {
  const labelsOf = ({ attributes }: DataPoint<unknown>, reserved?: string) => {
    const { text, collided } = labelsText(attributes, reserved);
    if (collided) onCollision();
    return Buffer.from(text);
  };
  switch (metric.dataPointType) {
    case DataPointType.SUM:
    case DataPointType.GAUGE:
      for (const point of metric.dataPoints) {
        writeSample(page, Buffer.from(name), labelsOf(point), point.value);
        yield;
      }
      return;
    case DataPointType.HISTOGRAM:
      for (const point of metric.dataPoints) {
        const { buckets, sum } = point.value;
        const text = histogramText(name, buckets.boundaries);
        writeHistogram(page, text, { labels: labelsOf(point, 'le'), counts: buckets.counts, begin: 0, sum });
        yield;
      }
      return;
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return;
  }
}
