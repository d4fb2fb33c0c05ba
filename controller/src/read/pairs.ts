import { type CounterMeaning, meaningOf, type SignalName } from '@relaycore/rules';
import type { Observation, Reading } from '../types.ts';
import { getOrAdd } from './get-or-add.ts';
import type { Increment } from './increments.ts';
import { targetOf } from './targets.ts';

/*
 * Pairs of counters that a policy adds: of what was bad, and of all. They may be scraped from different servers at
 * different moments, so in one tick more may have been bad than there was. Nothing is guessed then: what was counted
 * waits until both sides agree, and each event is reported once.
 */

/** What waits, by model and signal. */
export type PairMemory = ReadonlyMap<string, ReadonlyMap<SignalName, Pair>>;

interface Pair {
  readonly bad: Side;
  readonly total: Side;
  /** Since when something waits. */
  readonly waitsSince?: number;
}

interface Side {
  /** Counted and not reported yet. */
  readonly waiting: number;
  /** When each target was last seen to have counters of this side. */
  readonly targets: ReadonlyMap<string, number>;
}

export type PairReadings = ReadonlyMap<string, ReadonlyMap<SignalName, Reading>>;

export interface PairOptions {
  readonly at: number;
  /** What waits for longer is not believed any more. */
  readonly maxGapMs: number;
  readonly idOf: (series: CounterMeaning) => string | undefined;
}

/** The readings of all pairs that grew, or could have, in this tick. */
export function pairReadings(
  memory: PairMemory | undefined,
  grown: readonly Increment[],
  options: PairOptions,
): { readonly memory: PairMemory; readonly readings: PairReadings } {
  const next = stillKnown(memory ?? new Map(), options);
  const readings = new Map<string, Map<SignalName, Reading>>();
  for (const [model, signals] of growthOf(grown, options.idOf)) {
    const pairs = getOrAdd(next, model, () => new Map<SignalName, Pair>());
    const ofModel = getOrAdd(readings, model, () => new Map<SignalName, Reading>());
    for (const [signal, growth] of signals) {
      const pair = add(pairs.get(signal) ?? nothing, growth, options);
      const settled = settle(pair, options);
      pairs.set(signal, settled.pair);
      ofModel.set(signal, settled.reading);
    }
  }
  return { memory: next, readings };
}

function stillKnown(memory: PairMemory, options: PairOptions): Map<string, Map<SignalName, Pair>> {
  const known = [...memory].map(
    ([model, pairs]) => [model, new Map([...pairs].filter(([, pair]) => isKnown(pair, options)))] as const,
  );
  return new Map(known.filter(([, pairs]) => pairs.size > 0));
}

const isKnown = ({ bad, total }: Pair, options: PairOptions) =>
  [...bad.targets.values(), ...total.targets.values()].some(seenAt => isRemembered(seenAt, options));

const isRemembered = (seenAt: number, { at, maxGapMs }: PairOptions) => at - seenAt <= maxGapMs;

interface Growth {
  bad: number;
  total: number;
  readonly targets: { readonly bad: Set<string>; readonly total: Set<string> };
}

function growthOf(
  grown: readonly Increment[],
  idOf: PairOptions['idOf'],
): Map<string, Map<SignalName, Growth>> {
  const models = new Map<string, Map<SignalName, Growth>>();
  for (const increment of grown) {
    const meaning = increment.query && meaningOf(increment);
    if (meaning?.part.kind !== 'side') continue;
    const id = idOf(meaning);
    if (id === undefined) continue;
    const signals = getOrAdd(models, id, () => new Map<SignalName, Growth>());
    const growth = getOrAdd(signals, meaning.signal, newGrowth);
    growth[meaning.part.of] += increment.delta;
    growth.targets[meaning.part.of].add(targetOf(increment.labels));
  }
  return models;
}

const newGrowth = (): Growth => ({ bad: 0, total: 0, targets: { bad: new Set(), total: new Set() } });

const emptySide: Side = { waiting: 0, targets: new Map() };
const nothing: Pair = { bad: emptySide, total: emptySide };

/** Of a target that was lost for good the counts of this side are missing, so what waited for them is given up. */
function add(pair: Pair, growth: Growth, options: PairOptions): Pair {
  const isLost = [pair.bad, pair.total].some(({ targets }) =>
    [...targets.values()].some(seenAt => !isRemembered(seenAt, options)),
  );
  const before = isLost ? nothing : pair;
  const side = (which: 'bad' | 'total'): Side => ({
    waiting: before[which].waiting + growth[which],
    targets: new Map([
      ...[...pair[which].targets].filter(([, seenAt]) => isRemembered(seenAt, options)),
      ...[...growth.targets[which]].map(target => [target, options.at] as const),
    ]),
  });
  return { ...before, bad: side('bad'), total: side('total') };
}

/** Reported if both sides can be believed, else kept waiting, and given up in the end. */
function settle(
  pair: Pair,
  { at, maxGapMs }: PairOptions,
): { readonly pair: Pair; readonly reading: Reading } {
  const { bad, total, waitsSince = at } = pair;
  const emptied = { bad: { ...bad, waiting: 0 }, total: { ...total, waiting: 0 } };
  const reason = disagreement(pair, at);
  if (reason === undefined) return { pair: emptied, reading: counts(bad.waiting, total.waiting) };
  const isOver = at - waitsSince > maxGapMs;
  return { pair: isOver ? emptied : { ...pair, waitsSince }, reading: { kind: 'absent', reason } };
}

function disagreement({ bad, total }: Pair, at: number): string | undefined {
  if (total.targets.size === 0) return 'its bad ones are counted, but nothing counts all of them (total)';
  const unseen = isApart(bad, total) ? (missing(bad, at) ?? missing(total, at)) : undefined;
  if (unseen !== undefined)
    return `bad and total are counted by different targets, and ${unseen} was not scraped lately`;
  if (bad.waiting > total.waiting)
    return `more bad ones were counted (${bad.waiting}) than there were in all (${total.waiting})`;
  return undefined;
}

/**
 * The two sides come from different targets. Where one target has both, they are scraped together and missing
 * together; apart, what one target counted would be held against the other's nothing.
 */
const isApart = (bad: Side, total: Side) =>
  bad.targets.size > 0 && [...bad.targets.keys()].every(target => !total.targets.has(target));

const missing = ({ targets }: Side, at: number) => [...targets].find(([, seenAt]) => seenAt < at)?.[0];

function counts(bad: number, total: number): Reading {
  const observations: readonly Observation[] = [
    { badness: 0, count: total - bad },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);
  return { kind: 'counts', vantage: 'elsewhere', levels: { warning: observations, critical: observations } };
}
