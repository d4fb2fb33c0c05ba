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
import type { Increment } from './increments.ts';

/** Increments of one tick, added up over replicas: what one vantage says about one model and signal. */
interface Tally {
  good: number;
  bad: number;
  /** Histogram: observations up to and including each edge, and how many series have that edge. */
  readonly upTo: Map<number, { readonly count: number; readonly series: number }>;
}

/** Tallies by model id, signal and vantage. */
type Tallies = Map<string, Map<SignalName, Map<Vantage, Tally>>>;

/**
 * Adds the increments up per model and signal. Every model of the policy gets a reading; models that only the metrics
 * know are found too and judged by the policy's defaults.
 */
export function readingsOf(
  policy: Policy,
  grown: readonly Increment[],
  absentReason: (signal: SignalName, model: string) => string,
): ReadonlyMap<string, SignalReadings> {
  const idOf = modelIds(policy);
  const tallies: Tallies = new Map();
  for (const { labels, delta } of grown) {
    const meaning = meaningOf(labels.__name__ ?? '', labels);
    const id = meaning && idOf(meaning);
    if (id !== undefined) addTo(tallies, id, meaning!, delta);
  }
  const ids = new Set([...Object.keys(policy.models), ...tallies.keys()]);
  return new Map(
    [...ids].map(id => [
      id,
      signalReadings(policy.models[id]?.signals ?? policy.defaults, id, tallies, absentReason),
    ]),
  );
}

/** Finds the policy's id for a series: by name and version, then by name; unknown names stand for themselves. */
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
    return (exact ?? candidates.find(model => model.version === undefined))?.id;
  };
}

function addTo(tallies: Tallies, id: string, { signal, vantage, part }: CounterMeaning, delta: number): void {
  const signals = getOrAdd(tallies, id, () => new Map());
  const vantages = getOrAdd(signals, signal, () => new Map());
  const tally = getOrAdd(vantages, vantage, (): Tally => ({ good: 0, bad: 0, upTo: new Map() }));
  if (part.kind === 'upTo') {
    const { count, series } = tally.upTo.get(part.edge) ?? { count: 0, series: 0 };
    tally.upTo.set(part.edge, { count: count + delta, series: series + 1 });
  } else if (part.bad) tally.bad += delta;
  else tally.good += delta;
}

function signalReadings(
  signals: readonly Signal[],
  id: string,
  tallies: Tallies,
  absentReason: (signal: SignalName, model: string) => string,
): SignalReadings {
  const entries = signals.map(signal => {
    const vantages = tallies.get(id)?.get(signal.name);
    return [
      signal.name,
      vantages ? readingOf(signal, vantages) : absent(absentReason(signal.name, id)),
    ] as const;
  });
  return Object.fromEntries(entries) as unknown as SignalReadings;
}

/** The gateway is believed where it reports: it sees what callers got, also from a server that is dead. */
function readingOf(signal: Signal, vantages: ReadonlyMap<Vantage, Tally>): Reading {
  const vantage: Vantage = vantages.has('gateway') ? 'gateway' : 'server';
  const tally = vantages.get(vantage)!;
  const observed = levels.map(level => [level, observations(signal, level, tally)] as const);
  const missing = observed.find(([, found]) => found === undefined);
  if (missing)
    return absent(
      `not every ${vantage} instance has a histogram edge at ${signal.levels[missing[0]].edgeSeconds} s: start them with that latency threshold`,
    );
  return {
    kind: 'counts',
    vantage,
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
  switch (signal.name) {
    case 'success':
      return twoSided(tally.good, tally.bad);
    case 'latency': {
      const all = tally.upTo.get(Number.POSITIVE_INFINITY);
      const fast = tally.upTo.get(signal.levels[level].edgeSeconds!);
      // A replica without the edge would have all its requests taken for slow.
      if (!all || !fast || fast.series < all.series) return undefined;
      return twoSided(fast.count, Math.max(0, all.count - fast.count));
    }
    case 'accuracy':
    case 'feedback':
      return scoreObservations(tally.upTo);
  }
}

const twoSided = (good: number, bad: number): readonly Observation[] =>
  [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);

/** Scores are rounded to the edges when they are recorded, so a bucket holds scores that equal its upper edge. */
function scoreObservations(upTo: Tally['upTo']): readonly Observation[] {
  const edges = [...upTo.keys()].filter(Number.isFinite).sort((a, b) => a - b);
  return edges
    .map((edge, i) => ({
      badness: 1 - edge,
      count: upTo.get(edge)!.count - (i > 0 ? upTo.get(edges[i - 1]!)!.count : 0),
    }))
    .filter(({ count }) => count > 0);
}

const absent = (reason: string): Reading => ({ kind: 'absent', reason });

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
