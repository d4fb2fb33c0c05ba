import { byModelOfAny } from './by-model.ts';
import type { CounterQuery } from './expressions.ts';
import { duration } from './promql.ts';
import { mapSelectors, withSuffix } from './selectors.ts';
import type { CustomSignal, SignalSource } from './signals.ts';

/** The raw counters of a signal that the policy adds. */
export function customQueries({ name, source }: CustomSignal): readonly CounterQuery[] {
  const { labels } = source;
  const query = (part: 'bad' | 'total', promql: string): CounterQuery => ({
    name: `${name}.${part}`,
    signal: name,
    promql,
    custom: { part, labels },
  });
  if (source.kind === 'counters') return [query('bad', source.bad), query('total', source.total)];
  const buckets = withSuffix(source.scores, '_bucket');
  return [{ name, signal: name, promql: buckets, custom: { part: 'scores', labels } }];
}

/** How many were looked at, or scored, per model over a window. */
export function customRequests(source: SignalSource, windowSeconds: number): string {
  const all = source.kind === 'counters' ? source.total : withSuffix(source.scores, '_count');
  return increase(all, source, windowSeconds);
}

/** How many of them were bad, or what the scores lack to 1. */
export function customBad(source: SignalSource, windowSeconds: number): string {
  if (source.kind === 'counters') return increase(source.bad, source, windowSeconds);
  const sum = increase(withSuffix(source.scores, '_sum'), source, windowSeconds);
  return `(${customRequests(source, windowSeconds)} - ${sum})`;
}

function increase(counters: string, { labels }: SignalSource, windowSeconds: number): string {
  const grown = mapSelectors(counters, selector => `increase(${selector}[${duration(windowSeconds)}])`);
  return byModelOfAny(grown, labels);
}
