import {
  type CounterMeaning,
  levels,
  type Model,
  meaningOf,
  type Policy,
  type Signal,
  type SignalName,
} from '@relaycore/rules';
import type { Observation, Reading, SignalReadings, Vantage } from '../types.ts';
import { getOrAdd } from './get-or-add.ts';
import type { Increment } from './increments.ts';
import type { PairReadings } from './pairs.ts';

/** Increments of one tick, added up over replicas: what one profile says about one model and signal. */
interface Tally {
  readonly vantage: Vantage;
  good: number;
  bad: number;
  /** Of the bad ones, those that a spent quota refused. */
  overQuota: number;
  /** Histogram: observations up to and including each edge, and how many series have that edge. */
  readonly upTo: Map<number, { readonly count: number; readonly series: number }>;
}

/** Tallies by model id, signal and the rank of the profile. */
type Tallies = Map<string, Map<SignalName, Map<number, Tally>>>;

/**
 * Adds the increments up per model and signal. Every model of the policy gets a reading; models that only the metrics
 * know are found too and judged by the policy's defaults. Pairs of counters that the policy adds were read before.
 */
export function readingsOf(
  policy: Policy,
  grown: readonly Increment[],
  absentReason: AbsentReason,
  pairs: PairReadings = new Map(),
): ReadonlyMap<string, SignalReadings> {
  const tallies = talliesOf(policy, grown);
  const ids = new Set([...Object.keys(policy.models), ...tallies.keys(), ...pairs.keys()]);
  return new Map(
    [...ids].map(id => {
      const entries = (policy.models[id]?.signals ?? policy.defaults).map(signal => {
        const ranked = tallies.get(id)?.get(signal.name);
        const reading = ranked ? readingOf(signal, ranked) : pairs.get(id)?.get(signal.name);
        return [signal.name, reading ?? absent(absentReason(signal.name, id))] as const;
      });
      return [id, Object.fromEntries(entries) as unknown as SignalReadings];
    }),
  );
}

/** Why there is no reading of a signal and a model. */
export type AbsentReason = (signal: SignalName, model: string) => string;

function talliesOf(policy: Policy, grown: readonly Increment[]): Tallies {
  const idOf = modelIds(policy);
  const tallies: Tallies = new Map();
  for (const increment of grown) {
    const meaning = meaningOf(increment);
    const id = meaning && idOf(meaning);
    if (id !== undefined) addTo(tallies, id, meaning!, increment.delta);
  }
  return tallies;
}

/**
 * Finds the policy's id for a series: by name and version, then by name; unknown names stand for themselves. A series
 * that tells no version is taken for the only model of that name.
 */
export function modelIds(
  policy: Policy,
): (series: { modelName: string; version?: string }) => string | undefined {
  const byName = new Map<string, Model[]>();
  for (const model of Object.values(policy.models))
    byName.set(model.name, [...(byName.get(model.name) ?? []), model]);
  return ({ modelName, version }) => {
    const candidates = byName.get(modelName);
    if (!candidates) return modelName;
    const exact = candidates.find(model => model.version !== undefined && model.version === version);
    const only = version === undefined && candidates.length === 1 ? candidates[0] : undefined;
    return (exact ?? candidates.find(model => model.version === undefined) ?? only)?.id;
  };
}

function addTo(
  tallies: Tallies,
  id: string,
  { signal, vantage, rank, part }: CounterMeaning,
  delta: number,
): void {
  if (part.kind === 'side') return;
  const signals = getOrAdd(tallies, id, () => new Map());
  const ranked = getOrAdd(signals, signal, () => new Map());
  const tally = getOrAdd(
    ranked,
    rank,
    (): Tally => ({ vantage, good: 0, bad: 0, overQuota: 0, upTo: new Map() }),
  );
  if (part.kind === 'upTo') {
    const { count, series } = tally.upTo.get(part.edge) ?? { count: 0, series: 0 };
    tally.upTo.set(part.edge, { count: count + delta, series: series + 1 });
  } else if (part.bad) {
    tally.bad += delta;
    if (part.overQuota) tally.overQuota += delta;
  } else tally.good += delta;
}

/**
 * The gateway is believed where it reports: it sees what callers got, also from a server that is dead. The counts of two
 * profiles are never added up: both may have counted the same requests.
 */
function readingOf(signal: Signal, ranked: ReadonlyMap<number, Tally>): Reading {
  const tally = ranked.get(Math.min(...ranked.keys()))!;
  const { vantage } = tally;
  const observed = levels.map(level => [level, observations(signal, level, tally)] as const);
  const missing = observed.find(([, found]) => found === undefined);
  if (missing)
    return absent(
      `not every ${vantage} instance has a histogram edge at ${signal.levels[missing[0]].edgeSeconds} s: start them with that latency threshold`,
    );
  return {
    kind: 'counts',
    vantage,
    ...(tally.overQuota > 0 && { overQuota: tally.overQuota }),
    levels: Object.fromEntries(observed) as unknown as Record<
      (typeof levels)[number],
      readonly Observation[]
    >,
  };
}

function observations(
  signal: Signal,
  level: (typeof levels)[number],
  tally: Tally,
): readonly Observation[] | undefined {
  if (signal.kind === 'score') return scoreObservations(tally.upTo);
  if (signal.name === 'success') return twoSided(tally.good, tally.bad);
  const all = tally.upTo.get(Number.POSITIVE_INFINITY);
  const fast = tally.upTo.get(signal.levels[level].edgeSeconds!);
  // A replica without the edge would have all its requests taken for slow.
  if (!all || !fast || fast.series < all.series) return undefined;
  return twoSided(fast.count, Math.max(0, all.count - fast.count));
}

const twoSided = (good: number, bad: number): readonly Observation[] =>
  [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);

/**
 * The instrumentation rounds scores to the edges, so a bucket holds scores that equal its upper edge. Of histograms that
 * do not round, a score counts as its upper edge all the same, or as 1 beyond the last: better than it was, so that
 * coarse buckets hide trouble and never make any. Only edges that every replica has can be added up.
 */
function scoreObservations(upTo: Tally['upTo']): readonly Observation[] {
  const replicas = Math.max(...[...upTo.values()].map(({ series }) => series));
  const edges = [...upTo.keys()].filter(edge => upTo.get(edge)!.series === replicas).sort((a, b) => a - b);
  return edges
    .map((edge, i) => ({
      badness: Math.min(1, Math.max(0, 1 - edge)),
      count: upTo.get(edge)!.count - (i > 0 ? upTo.get(edges[i - 1]!)!.count : 0),
    }))
    .filter(({ count }) => count > 0);
}

const absent = (reason: string): Reading => ({ kind: 'absent', reason });
