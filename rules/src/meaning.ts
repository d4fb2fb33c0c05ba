import { type Served, servedBy } from './by-model.ts';
import type { CounterQuery } from './expressions.ts';
import { inOrderOfBelief, type LabelValues, type OutcomeCounter, type Profile } from './profiles/index.ts';
import type { BuiltInName, SignalName } from './signals.ts';

type Labels = Readonly<Record<string, string>>;

/** What one raw counter counts, read from its name and labels. */
export interface CounterMeaning extends Served {
  readonly signal: SignalName;
  /** The counters of a signal that the policy adds may be anybody's. */
  readonly vantage: Profile['vantage'] | 'elsewhere';
  /** Of several profiles that report a model, the one with the lowest rank is believed; they are never added up. */
  readonly rank: number;
  /**
   * Requests of one outcome, or the observations up to and including an edge (seconds, or a score), or one side of a
   * pair: what was bad, or all.
   */
  readonly part:
    | { readonly kind: 'outcome'; readonly bad: boolean; readonly overQuota: boolean }
    | { readonly kind: 'side'; readonly of: 'bad' | 'total' }
    | { readonly kind: 'upTo'; readonly edge: number };
}

interface Role {
  readonly profile: Profile;
  readonly rank: number;
  readonly signal: BuiltInName;
  readonly partOf: (labels: Labels) => CounterMeaning['part'] | undefined;
}

/** Metric name → whose it is. Histograms are known with and without the unit suffix. */
const roles: ReadonlyMap<string, Role> = new Map(
  inOrderOfBelief.flatMap((profile, rank) => {
    const { success, latency, scores, feedback } = profile;
    const entries: [string, Role][] = [];
    const add = (name: string, signal: BuiltInName, partOf: Role['partOf']) =>
      entries.push([name, { profile, rank, signal, partOf }]);
    for (const one of success ?? []) add(one.counter, 'success', outcomePart(one));
    for (const suffix of ['_bucket', '_seconds_bucket'])
      if (latency) add(`${latency.histogram}${suffix}`, 'latency', edgePart);
    if (scores) add(`${scores.histogram}_bucket`, 'accuracy', edgePart);
    if (feedback) add(`${feedback.histogram}_bucket`, 'feedback', edgePart);
    return entries;
  }),
);

/** A series, and the query that returned it where that says more than its name. */
export interface Counted {
  readonly labels: Labels;
  readonly query?: CounterQuery;
}

/** The meaning of a series that a counter query returned, or undefined when it says nothing about a model. */
export function meaningOf({ labels, query }: Counted): CounterMeaning | undefined {
  return query?.custom ? customMeaning(labels, query.signal, query.custom) : builtInMeaning(labels);
}

/** The model behind a server's own count of requests: who runs there. Undefined for every other series. */
export function servingModel(labels: Labels): Served | undefined {
  const role = roles.get(labels.__name__ ?? '');
  if (role?.profile.vantage !== 'server') return undefined;
  if (role.signal !== (role.profile.success ? 'success' : 'latency')) return undefined;
  return builtInMeaning(labels);
}

function customMeaning(
  labels: Labels,
  signal: SignalName,
  { part, labels: names }: NonNullable<CounterQuery['custom']>,
): CounterMeaning | undefined {
  const served = servedBy(labels, names);
  const counts = part === 'scores' ? edgePart(labels) : { kind: 'side' as const, of: part };
  return served && counts && { signal, vantage: 'elsewhere', rank: 0, part: counts, ...served };
}

function builtInMeaning(labels: Labels): CounterMeaning | undefined {
  const role = roles.get(labels.__name__ ?? '');
  if (!role) return undefined;
  const { profile, rank, signal, partOf } = role;
  const modelName = labels[profile.modelLabel];
  const part = partOf(labels);
  if (!modelName || !part) return undefined;
  const version = profile.versionLabel ? labels[profile.versionLabel] : undefined;
  return {
    signal,
    vantage: profile.vantage,
    rank,
    modelName,
    part,
    ...(version !== undefined && { version }),
  };
}

/** Of a counter that tells outcomes apart, a series without that label says nothing. */
function outcomePart({ bad, quota, ignored = [] }: OutcomeCounter): Role['partOf'] {
  const isBad = typeof bad === 'boolean' ? () => bad : isAmong(bad);
  const outcomeLabel = typeof bad === 'boolean' ? undefined : bad.label;
  const isOverQuota = quota ? isAmong(quota) : () => false;
  const saysNothing = ignored.map(isAmong);
  return labels => {
    if (outcomeLabel !== undefined && labels[outcomeLabel] === undefined) return undefined;
    if (saysNothing.some(isIgnored => isIgnored(labels))) return undefined;
    const isBadOne = isBad(labels);
    return { kind: 'outcome', bad: isBadOne, overQuota: isBadOne && isOverQuota(labels) };
  };
}

/**
 * As Prometheus matches: the whole value, and a label that is not there is an empty one. Every series is asked at every
 * tick, so plain words are compared, which is several times as fast.
 */
function isAmong({ label, values }: LabelValues): (labels: Labels) => boolean {
  if (values.every(value => /^\w*$/.test(value))) return labels => values.includes(labels[label] ?? '');
  const whole = new RegExp(`^(?:${values.join('|')})$`);
  return labels => whole.test(labels[label] ?? '');
}

function edgePart(labels: Labels): CounterMeaning['part'] | undefined {
  if (labels.le === undefined) return undefined;
  return { kind: 'upTo', edge: labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le) };
}
