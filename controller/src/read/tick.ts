import type { CounterQuery, Policy, SignalName } from '@relaycore/rules';
import type { Readings } from '../types.ts';
import { copiesOf } from './copies.ts';
import { gaugeReadings } from './gauges.ts';
import { type CounterMemory, type CounterSample, increments } from './increments.ts';
import { meanLatencies } from './latencies.ts';
import { type PairMemory, pairReadings } from './pairs.ts';
import { type AbsentReason, modelIds, readingsOf } from './readings.ts';
import { freshTargets, targetOf } from './targets.ts';

/** Everything that Prometheus said about one instant. */
export interface RawTick {
  readonly at: number;
  /** `timestamp(up)`: when each target was last scraped, in seconds. */
  readonly scrapedAt: readonly CounterSample[];
  /** When each process started, where it says so, in seconds. */
  readonly startedAt: readonly CounterSample[];
  readonly counters: readonly CounterSample[];
  /** Values of the resources, by name, and the mean latencies where they are asked for. */
  readonly gauges: ReadonlyMap<SignalName, readonly CounterSample[]>;
  /** Why a signal that the policy adds, or a resource, could not be asked for. */
  readonly failures: ReadonlyMap<SignalName, string>;
}

/** The series of a signal that the policy adds do not tell what they count; their query does. */
export const counted = (query: CounterQuery, samples: readonly CounterSample[]): readonly CounterSample[] =>
  query.custom ? samples.map(sample => ({ ...sample, query })) : samples;

/** What goes from one tick to the next. */
export interface TickMemory {
  readonly counters: CounterMemory;
  readonly pairs: PairMemory;
}

/** Raw counters of one instant to readings; the same for the live loop and for a replay of the past. */
export function readTick(
  policy: Policy,
  memory: TickMemory | undefined,
  source: string,
  { at, scrapedAt, startedAt, counters, gauges, failures }: RawTick,
): { readonly memory: TickMemory } & Pick<Readings, 'models' | 'copies' | 'resources' | 'latencies'> {
  const { staleMs, maxGapMs } = policy.detection;
  const fresh = freshTargets(scrapedAt, at, staleMs);
  const starts = new Map(startedAt.map(({ labels, value }) => [targetOf(labels), value * 1000]));
  // Of a signal that only one of its queries answered, nothing is taken: the next tick covers the gap.
  const believed = counters.filter(
    ({ labels, query }) => fresh.has(targetOf(labels)) && !(query && failures.has(query.signal)),
  );
  const step = increments(memory?.counters, believed, {
    source,
    at,
    maxGapMs,
    startedAt: labels => starts.get(targetOf(labels)),
  });
  const idOf = modelIds(policy);
  const pairs = pairReadings(memory?.pairs, step.increments, { at, maxGapMs, idOf });
  const latencies = meanLatencies({ gauges, failures }, idOf);
  const reason: AbsentReason = signal => failures.get(signal) ?? unseen(signal, fresh.size);
  return {
    memory: { counters: step.memory, pairs: pairs.memory },
    models: readingsOf(policy, step.increments, reason, pairs.readings),
    copies: copiesOf(step.increments, idOf),
    ...(latencies && { latencies }),
    resources: gaugeReadings(policy, { values: gauges, fresh, counters: believed }, idOf),
  };
}

const unseen = (signal: SignalName, freshTargets: number) =>
  freshTargets === 0
    ? 'no target was scraped lately'
    : `no ${signal} series of this model at a target that was scraped lately`;
