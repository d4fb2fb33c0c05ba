import { prometheusName } from '../metrics.ts';
import type { RecordedMetric } from '../record/store.ts';
import type { Bytes } from './bytes.ts';
import type { Format } from './format.ts';
import { histogramText, writeHistogram, writeSample } from './lines.ts';
import { labelsText } from './text.ts';

/** Writes the samples of a recorded metric, and pauses after each series. */
export type SampleWriter = (page: Bytes, metric: RecordedMetric, format: Format) => Generator<void>;

/** The writer keeps each series' labels as bytes: making them anew would be most of the cost of a page. */
export function createSampleWriter(): SampleWriter {
  const cached = new WeakMap<RecordedMetric, Buffer[]>();
  return (page, metric, format) => {
    const known = cached.get(metric) ?? [];
    cached.set(metric, known);
    const labelsAt = (place: number) => {
      known[place] ??= Buffer.from(labelsText(metric.series.labelSets[place]!).text);
      return known[place];
    };
    return metric.definition.kind === 'histogram'
      ? writeHistograms(page, metric, labelsAt, format)
      : writeNumbers(page, metric, labelsAt);
  };
}

type LabelsAt = (place: number) => Uint8Array;

function* writeNumbers(
  page: Bytes,
  { definition, series }: RecordedMetric,
  labelsAt: LabelsAt,
): Generator<void> {
  const name = Buffer.from(prometheusName(definition));
  for (let place = 1; place < series.labelSets.length; place++) {
    const value = series.numbers[place * series.width]!;
    if (!Number.isNaN(value)) writeSample(page, name, labelsAt(place), value);
    yield;
  }
}

function* writeHistograms(
  page: Bytes,
  { definition, edges, series, exemplars }: RecordedMetric,
  labelsAt: LabelsAt,
  { exemplar }: Format,
): Generator<void> {
  const text = histogramText(prometheusName(definition), edges);
  const after = exemplars.size === 0 ? undefined : (at: number) => exemplar(exemplars.get(at));
  for (let place = 1; place < series.labelSets.length; place++) {
    const { numbers: counts, width } = series;
    const begin = place * width;
    writeHistogram(page, text, {
      labels: labelsAt(place),
      counts,
      begin,
      sum: counts[begin + width - 1],
      after,
    });
    yield;
  }
}
