import { prometheusName } from '../metrics.ts';
import type { RecordedMetric } from '../record/store.ts';
import type { Format } from './format.ts';
import { edgeTexts, histogramLines, sampleLine } from './lines.ts';
import { labelsText } from './text.ts';

/** Writes the samples of a recorded metric, series by series. */
export type SampleWriter = (metric: RecordedMetric, format: Format) => Generator<string>;

/** The writer keeps each series' labels as text: making them anew is most of the cost of a page. */
export function createSampleWriter(): SampleWriter {
  const cached = new WeakMap<RecordedMetric, string[]>();
  return (metric, format) => {
    const texts = cached.get(metric) ?? [];
    cached.set(metric, texts);
    const labelsAt = (place: number) => {
      texts[place] ??= labelsText(metric.series.labelSets[place]!).text;
      return texts[place];
    };
    return metric.definition.kind === 'histogram'
      ? histogramSamples(metric, labelsAt, format)
      : numberSamples(metric, labelsAt);
  };
}

type LabelsAt = (place: number) => string;

function* numberSamples({ definition, series }: RecordedMetric, labelsAt: LabelsAt): Generator<string> {
  const name = prometheusName(definition);
  for (let place = 1; place < series.labelSets.length; place++) {
    const value = series.numbers[place * series.width]!;
    if (!Number.isNaN(value)) yield sampleLine(name, labelsAt(place), value);
  }
}

function* histogramSamples(
  metric: RecordedMetric,
  labelsAt: LabelsAt,
  { exemplar }: Format,
): Generator<string> {
  const { series, exemplars } = metric;
  const common = {
    name: prometheusName(metric.definition),
    edges: edgeTexts(metric.edges),
    ...(exemplars.size > 0 && { after: (at: number) => exemplar(exemplars.get(at)) }),
  };
  for (let place = 1; place < series.labelSets.length; place++) {
    const begin = place * series.width;
    const { numbers: counts } = series;
    const sum = counts[begin + series.width - 1];
    yield histogramLines({ ...common, labels: labelsAt(place), counts, begin, sum });
  }
}
