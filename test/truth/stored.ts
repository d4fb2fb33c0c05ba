import { freshnessQueries } from '@relaycore/rules';
import type { CounterSample } from '../../controller/src/read/increments.ts';
import { stale, type WrittenSample, type WrittenSeries } from './remote-write.ts';

/** One scrape of one target. */
export interface Scrape {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The labels `job` and `instance`. */
  readonly target: CounterSample['labels'];
  /** All samples of the page; absent when the scrape failed. */
  readonly page?: readonly CounterSample[];
}

/**
 * What Prometheus stores of scrapes, given in order of time for each target: the samples of the page, staleness markers
 * for all that is no longer there, and `up`. In a gap nothing is tried, so nothing is stored.
 */
export function stored(scrapes: readonly Scrape[]): readonly WrittenSeries[] {
  const series = new Map<string, { labels: CounterSample['labels']; samples: WrittenSample[] }>();
  const pages = new Map<string, ReadonlyMap<string, CounterSample>>();
  for (const { at, target, page } of scrapes) {
    add(at, { labels: { __name__: freshnessQueries.up, ...target }, value: page ? 1 : 0 });
    const now = new Map(page?.map(sample => [JSON.stringify(sample.labels), sample]));
    for (const sample of now.values()) add(at, sample);
    for (const [key, { labels }] of pages.get(target.instance!) ?? [])
      if (!now.has(key)) add(at, { labels, value: stale });
    pages.set(target.instance!, now);
  }
  return [...series.values()];

  function add(at: number, { labels, value }: Pick<CounterSample, 'labels'> & Pick<WrittenSample, 'value'>) {
    const key = JSON.stringify(labels);
    const known = series.get(key) ?? { labels, samples: [] };
    series.set(key, known);
    known.samples.push({ at, value });
  }
}
