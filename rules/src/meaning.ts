import { type Served, servedBy } from './by-model.ts';
import type { CounterQuery } from './expressions.ts';
import { profiles } from './profiles/index.ts';
import type { Profile } from './profiles/profile.ts';
import type { BuiltInName, SignalName } from './signals.ts';

type Labels = Readonly<Record<string, string>>;

/** What one raw counter counts, read from its name and labels. */
export interface CounterMeaning extends Served {
  readonly signal: SignalName;
  /** The counters of a signal that the policy adds may be anybody's. */
  readonly vantage: Profile['vantage'] | 'elsewhere';
  /**
   * Requests of one outcome, or the observations up to and including an edge (seconds, or a score), or one side of a
   * pair: what was bad, or all.
   */
  readonly part:
    | { readonly kind: 'outcome'; readonly bad: boolean }
    | { readonly kind: 'side'; readonly of: 'bad' | 'total' }
    | { readonly kind: 'upTo'; readonly edge: number };
}

type Role = { readonly profile: Profile; readonly signal: BuiltInName };

/** Metric name → whose it is. Histograms are known with and without the unit suffix. */
const roles: ReadonlyMap<string, Role> = new Map(
  Object.values(profiles).flatMap(profile => {
    const { success, latency, scores, feedback } = profile;
    const entries: [string, Role][] = [];
    if (success) entries.push([success.counter, { profile, signal: 'success' }]);
    for (const suffix of ['_bucket', '_seconds_bucket'])
      if (latency) entries.push([`${latency.histogram}${suffix}`, { profile, signal: 'latency' }]);
    if (scores) entries.push([`${scores.histogram}_bucket`, { profile, signal: 'accuracy' }]);
    if (feedback) entries.push([`${feedback.histogram}_bucket`, { profile, signal: 'feedback' }]);
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
  if (role?.signal !== 'success' || role.profile.vantage !== 'server') return undefined;
  return builtInMeaning(labels);
}

function customMeaning(
  labels: Labels,
  signal: SignalName,
  { part, labels: names }: NonNullable<CounterQuery['custom']>,
): CounterMeaning | undefined {
  const served = servedBy(labels, names);
  const counts = part === 'scores' ? edgePart(labels) : { kind: 'side' as const, of: part };
  return served && counts && { signal, vantage: 'elsewhere', part: counts, ...served };
}

function builtInMeaning(labels: Labels): CounterMeaning | undefined {
  const role = roles.get(labels.__name__ ?? '');
  if (!role) return undefined;
  const { profile, signal } = role;
  const modelName = labels[profile.modelLabel];
  const part = signal === 'success' ? outcomePart(profile.success!, labels) : edgePart(labels);
  if (!modelName || !part) return undefined;
  const version = profile.versionLabel ? labels[profile.versionLabel] : undefined;
  return { signal, vantage: profile.vantage, modelName, part, ...(version !== undefined && { version }) };
}

function outcomePart(
  success: NonNullable<Profile['success']>,
  labels: Labels,
): CounterMeaning['part'] | undefined {
  const outcome = labels[success.outcomeLabel];
  if (outcome === undefined || success.ignored.includes(outcome)) return undefined;
  const { callersFault } = success;
  if (callersFault?.values.includes(labels[callersFault.label] ?? '')) return undefined;
  return { kind: 'outcome', bad: success.bad.includes(outcome) };
}

function edgePart(labels: Labels): CounterMeaning['part'] | undefined {
  if (labels.le === undefined) return undefined;
  return { kind: 'upTo', edge: labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le) };
}
