import type { MetricDefinition } from '../metrics.ts';
import type { LabelSet } from './recorder.ts';

/** The series of one metric: their label sets, and their numbers side by side in one array. */
export interface Series {
  readonly metric: MetricDefinition;
  /** By the place of the series, from 1: place 0 is where label sets beyond the limit are recorded, and never read. */
  readonly labelSets: readonly LabelSet[];
  /** Numbers of one series; those of the series at place p begin at p × width. */
  readonly width: number;
  /** Replaced by a larger array as series come. */
  numbers: Float64Array;
  /** Where the numbers of a label set begin; a new one gets a place, with zeros, or 0 if there is none left. */
  find(labels: LabelSet): number;
}

export interface SeriesOptions {
  readonly width: number;
  readonly maximum: number;
  /** Called when a label set finds no place left. */
  readonly onRefused: () => void;
}

const initialPlaces = 4;

export function createSeries(metric: MetricDefinition, { width, maximum, onRefused }: SeriesOptions): Series {
  const places = new Map<string, number>();
  const labelSets: LabelSet[] = [{}];

  function find(labels: LabelSet): number {
    const key = JSON.stringify(metric.attributes.map(attribute => labels[attribute]));
    const known = places.get(key);
    if (known !== undefined) return known * width;
    if (places.size < maximum) return add(key, labels) * width;
    onRefused();
    return 0;
  }

  function add(key: string, labels: LabelSet): number {
    const place = labelSets.push({ ...labels }) - 1;
    places.set(key, place);
    if ((place + 1) * width > series.numbers.length) {
      const larger = new Float64Array(series.numbers.length * 2);
      larger.set(series.numbers);
      series.numbers = larger;
    }
    return place;
  }

  const series: Series = { metric, labelSets, width, numbers: new Float64Array(initialPlaces * width), find };
  return series;
}
