import type { Counted } from '@relaycore/rules';

/** One raw counter as Prometheus holds it. */
export interface CounterSample extends Counted {
  readonly value: number;
}

/** Last sight of every counter, by its labels and query; belongs to one source of samples. */
export interface CounterMemory {
  readonly source: string;
  readonly counters: ReadonlyMap<string, Sight>;
}

interface Sight {
  readonly value: number;
  readonly at: number;
  readonly startedAt: number | undefined;
}

/** What a counter grew by since it was last seen. */
export interface Increment extends Counted {
  readonly delta: number;
}

export interface IncrementOptions {
  /** Which server gave the samples: the clocks of two replicas differ, and a step back between them is no reset. */
  readonly source: string;
  readonly at: number;
  /** A counter unseen for longer starts afresh. */
  readonly maxGapMs: number;
  /** When the process behind these labels started, where it says so. */
  readonly startedAt: (labels: Readonly<Record<string, string>>) => number | undefined;
}

/**
 * Turns raw counters into increments that tile time: each event is counted once.
 *
 * - never seen: a baseline, unless the process is younger than the previous tick; then it counts from zero;
 * - lower than before, or another process: a reset, the whole new value counts;
 * - missing now: contributes nothing and keeps its last value, so that the next sight covers the gap;
 * - unseen for longer than `maxGapMs`, or from another source: a new baseline.
 */
export function increments(
  memory: CounterMemory | undefined,
  samples: readonly CounterSample[],
  { source, at, maxGapMs, startedAt }: IncrementOptions,
): { readonly memory: CounterMemory; readonly increments: readonly Increment[] } {
  const known = memory?.source === source ? memory.counters : new Map<string, never>();
  const previousTick = latest(known);
  const counters = new Map([...known].filter(([, seen]) => at - seen.at <= maxGapMs));
  const grown: Increment[] = [];
  for (const sample of samples) {
    const { labels, value } = sample;
    if (!Number.isFinite(value) || value < 0) continue;
    const key = seriesKey(sample);
    const before = counters.get(key);
    const started = startedAt(labels);
    counters.set(key, { value, at, startedAt: started });
    if (before === undefined) {
      const young = started !== undefined && previousTick !== undefined && started > previousTick;
      grown.push(increment(sample, young ? value : 0));
    } else {
      const reset = value < before.value || isAnotherProcess(before, started);
      grown.push(increment(sample, reset ? value : value - before.value));
    }
  }
  return { memory: { source, counters }, increments: grown };
}

const increment = ({ labels, query }: Counted, delta: number): Increment =>
  query ? { labels, query, delta } : { labels, delta };

/** The start of one process is told alike each time, but for what rounding does. */
const sameStartMs = 100;

/**
 * It tells a later start than the process that was seen last. Compared with that start, not with the tick: a process
 * may begin before a tick that still saw the last sample of its predecessor, and clocks of other machines run ahead.
 */
function isAnotherProcess(before: Sight, started: number | undefined): boolean {
  if (started === undefined) return false;
  return started > (before.startedAt === undefined ? before.at : before.startedAt + sameStartMs);
}

function latest(counters: ReadonlyMap<string, { readonly at: number }>): number | undefined {
  let at: number | undefined;
  for (const seen of counters.values()) if (at === undefined || seen.at > at) at = seen.at;
  return at;
}

/** Prometheus gives the labels of a series in a fixed order. Two queries may return the same series. */
const seriesKey = ({ labels, query }: Counted) =>
  query ? `${query.name} ${JSON.stringify(labels)}` : JSON.stringify(labels);
