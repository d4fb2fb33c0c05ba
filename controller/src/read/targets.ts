import type { CounterSample } from './increments.ts';

/** A scrape target, as the labels of its series name it. */
export const targetOf = (labels: Readonly<Record<string, string>>) => `${labels.job} ${labels.instance}`;

/** Targets whose last scrape is recent. A target that Prometheus forgot keeps its old samples for five minutes. */
export function freshTargets(
  scrapedAt: readonly CounterSample[],
  at: number,
  staleMs: number,
): ReadonlySet<string> {
  return new Set(
    scrapedAt.filter(({ value }) => at - value * 1000 <= staleMs).map(({ labels }) => targetOf(labels)),
  );
}
