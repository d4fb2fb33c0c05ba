import type { Policy } from '@relaycore/rules';
import type { Readings } from '../types.ts';
import { type CounterMemory, type CounterSample, type Increment, increments } from './increments.ts';
import { readingsOf } from './readings.ts';

/** Everything that Prometheus said about one instant. */
export interface RawTick {
  readonly at: number;
  /** `timestamp(up)`: when each target was last scraped, in seconds. */
  readonly scrapedAt: readonly CounterSample[];
  /** When each process started, where it says so, in seconds. */
  readonly startedAt: readonly CounterSample[];
  readonly counters: readonly CounterSample[];
}

/** Raw counters of one instant to readings; the same for the live loop and for a replay of the past. */
export function readTick(
  policy: Policy,
  memory: CounterMemory | undefined,
  source: string,
  { at, scrapedAt, startedAt, counters }: RawTick,
): { readonly memory: CounterMemory; readonly models: Readings['models'] } {
  const fresh = freshInstances(scrapedAt, at, policy.detection.staleMs);
  const starts = new Map(startedAt.map(({ labels, value }) => [instanceKey(labels), value * 1000]));
  const step = increments(
    memory,
    counters.filter(({ labels }) => fresh.has(instanceKey(labels))),
    { source, at, maxGapMs: policy.detection.maxGapMs, startedAt: labels => starts.get(instanceKey(labels)) },
  );
  return { memory: step.memory, models: readings(policy, step.increments, fresh.size) };
}

function readings(policy: Policy, grown: readonly Increment[], freshInstances: number): Readings['models'] {
  return readingsOf(policy, grown, signal =>
    freshInstances === 0
      ? 'no target was scraped lately'
      : `no ${signal} series of this model at a target that was scraped lately`,
  );
}

/** Targets whose last scrape is recent. A target that Prometheus forgot keeps its old samples for five minutes. */
function freshInstances(
  scrapedAt: readonly CounterSample[],
  at: number,
  staleMs: number,
): ReadonlySet<string> {
  return new Set(
    scrapedAt.filter(({ value }) => at - value * 1000 <= staleMs).map(({ labels }) => instanceKey(labels)),
  );
}

const instanceKey = (labels: Readonly<Record<string, string>>) => `${labels.job} ${labels.instance}`;
