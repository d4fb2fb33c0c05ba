import { type DataPoint, DataPointType, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics';
import type { FamilyHead } from './format.ts';
import { edgeTexts, histogramLines, sampleLine } from './lines.ts';
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

/** Writes the samples of one metric, point by point. `onCollision` hears of labels that could not stay as they are. */
export function* foreignSamples(
  name: string,
  metric: MetricData,
  onCollision: () => void,
): Generator<string> {
  const labelsOf = ({ attributes }: DataPoint<unknown>, reserved?: string) => {
    const { text, collided } = labelsText(attributes, reserved);
    if (collided) onCollision();
    return text;
  };
  switch (metric.dataPointType) {
    case DataPointType.SUM:
    case DataPointType.GAUGE:
      for (const point of metric.dataPoints) yield sampleLine(name, labelsOf(point), point.value);
      return;
    case DataPointType.HISTOGRAM:
      for (const point of metric.dataPoints) yield histogramOf(name, labelsOf(point, 'le'), point.value);
      return;
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return;
  }
}

function histogramOf(name: string, labels: string, { buckets, sum }: Histogram): string {
  const { boundaries, counts } = buckets;
  return histogramLines({ name, edges: edgeTexts(boundaries), labels, counts, begin: 0, sum });
}
