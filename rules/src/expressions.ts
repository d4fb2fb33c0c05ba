import { byModel } from './by-model.ts';
import { customBad, customQueries, customRequests } from './custom.ts';
import type { Policy } from './policy.ts';
import { type LabelValues, type OutcomeCounter, type Profile, profilesOf } from './profiles/index.ts';
import { anyOf, duration, edge, histogramBuckets, histogramSpellings, quote } from './promql.ts';
import type { BuiltInName, BuiltInSignal, Level, SeriesLabels, Signal, SignalName } from './signals.ts';

/** Name of the evaluation whose scores are the accuracy signal. */
export const accuracyEvaluation = 'accuracy';

/** Names of the series that the rules record, in Prometheus's `level:metric:operation` convention. */
export const recorded = {
  requests: (window: string) => `model:requests:increase${window}`,
  bad: (window: string) => `model:bad:increase${window}`,
  badRatio: (window: string) => `model:bad:ratio${window}`,
  /** What the policy allows; beside the ratio, so that both can be compared per model. */
  allowed: () => 'model:bad:allowed',
  wilsonLower: (window: string) => `model:bad:wilson_lower${window}`,
  evidence: (window: string) => `model:bad:evidence${window}`,
  score: (window: string) => `model:score:mean${window}`,
} as const;

/** Series that the controller exports about itself; the alerts and the dashboards read them. */
export const exported = {
  verdict: 'relaycore_model_verdict',
  known: 'relaycore_model_known',
  value: 'relaycore_model_value',
  threshold: 'relaycore_model_threshold',
  resourceValue: 'relaycore_resource_value',
  resourceThreshold: 'relaycore_resource_threshold',
  evidence: 'relaycore_evidence_log_r',
  evidenceThreshold: 'relaycore_evidence_log_a',
  incident: 'relaycore_incident_models',
  silence: 'relaycore_model_silence_seconds',
  routeWeight: 'relaycore_route_weight',
  routeGeneration: 'relaycore_route_generation',
  routePhase: 'relaycore_route_phase',
  routeConverged: 'relaycore_route_converged',
  routeConfirmed: 'relaycore_route_confirmed',
  routeProposal: 'relaycore_route_proposal',
  switches: 'relaycore_switches_total',
  switchedAt: 'relaycore_route_switched_timestamp_seconds',
  lastEvaluation: 'relaycore_last_evaluation_timestamp_seconds',
  tickDuration: 'relaycore_tick_duration_seconds',
  queryDuration: 'relaycore_query_duration_seconds',
  applyDuration: 'relaycore_apply_duration_seconds',
  probeRequests: 'relaycore_probe_requests_total',
  probeDuration: 'relaycore_probe_duration_seconds',
  probePassed: 'relaycore_probe_passed',
  probeScore: 'relaycore_probe_score',
} as const;

/**
 * One instant query of raw counters. It serves all models and routes at once; nothing in it depends on their number.
 * Raw, because `increase()` extrapolates: one event in ten minutes reads as 1.012.
 */
export interface CounterQuery {
  /** For timings and records: the signal, or one part of it. */
  readonly name: string;
  readonly signal: SignalName;
  readonly promql: string;
  /** Of a signal that the policy adds: what its series count. Series of the built-in signals are told by their names. */
  readonly custom?: { readonly part: 'bad' | 'total' | 'scores'; readonly labels: SeriesLabels };
}

/** The queries of one tick: one a built-in signal, and one a part of those that the policy adds. */
export function counterQueries(policy: Policy): readonly CounterQuery[] {
  const known = Object.entries(builtInQueries(policy)).map(([signal, promql]) => ({
    name: signal,
    signal,
    promql,
  }));
  return [...known, ...policy.defaults.flatMap(signal => (signal.source ? customQueries(signal) : []))];
}

function builtInQueries(policy: Policy): Readonly<Record<BuiltInName, string>> {
  const all = profilesOf(Object.values(policy.models));
  const counters = all.flatMap(profile => (profile.success ?? []).map(({ counter }) => counter));
  const histograms = all.flatMap(profile => profile.latency?.histogram ?? []);
  const scores = all.flatMap(profile => profile.scores ?? []);
  const ratings = all.flatMap(profile => profile.feedback ?? []);
  const edges = [...latencyEdges(policy)].map(edge).concat('\\+Inf').join('|');
  return {
    success: `{__name__=~${anyOf(counters)}}`,
    latency: `{__name__=~${quote(histograms.map(histogramBuckets).join('|'))},le=~${quote(edges)}}`,
    accuracy: `{__name__=~${bucketsOf(scores)}${ofAccuracy(scores[0]!)}}`,
    feedback: `{__name__=~${bucketsOf(ratings)}}`,
  };
}

const bucketsOf = (histograms: readonly { readonly histogram: string }[]) =>
  anyOf(histograms.map(({ histogram }) => `${histogram}_bucket`));

/** Freshness of every scrape target, asked once for all. */
export const freshnessQueries = {
  up: 'up',
  scrapedAt: 'timestamp(up)',
  processStart: 'process_start_time_seconds',
} as const;

function latencyEdges(policy: Policy): ReadonlySet<number> {
  const signals = [policy.defaults, ...Object.values(policy.models).map(model => model.signals)].flat();
  return new Set(
    signals
      .flatMap(signal => Object.values(signal.levels).flatMap(level => level.edgeSeconds ?? []))
      .sort((a, b) => a - b),
  );
}

/**
 * Which models an expression is about: all but those named, or those named; with a version, only that version of
 * them.
 */
export type ModelScope =
  | {
      readonly kind: 'only';
      readonly names: readonly string[];
      readonly version?: string;
    }
  | { readonly kind: 'except'; readonly names: readonly string[] };

/**
 * Requests per model over a window. `A or B`: Prometheus takes B only for models that A lacks, so that the first of the
 * profiles that reports a model counts its requests.
 */
export function requestsExpression(
  signal: Signal,
  profiles: readonly Profile[],
  windowSeconds: number,
): string {
  if (signal.source) return customRequests(signal.source, windowSeconds);
  return profiles.flatMap(profile => requestsOf(profile, signal.name, '', windowSeconds) ?? []).join(' or ');
}

/**
 * Badness per model over a window: failed requests, slow requests, or the sum of 1 − score. Of a model that the
 * gateway counts, the server's badness is left out: a ratio never mixes two profiles.
 */
export function badExpression(
  signal: Signal,
  level: Level,
  profiles: readonly Profile[],
  scope: ModelScope,
  windowSeconds: number,
): string {
  if (signal.source) return customBad(signal.source, windowSeconds);
  return profiles
    .flatMap((profile, index) => {
      const bad = badOf(profile, signal, level, matcher(profile, scope), windowSeconds);
      if (!bad) return [];
      const countedBefore = profiles
        .slice(0, index)
        .flatMap(before => requestsOf(before, signal.name, matcher(before, scope), windowSeconds) ?? []);
      return countedBefore.length > 0 ? `(${bad} unless (${countedBefore.join(' or ')}))` : bad;
    })
    .join(' or ');
}

function requestsOf(
  profile: Profile,
  signal: BuiltInName,
  inScope: string,
  windowSeconds: number,
): string | undefined {
  const { success, latency } = profile;
  switch (signal) {
    case 'success':
      return (
        success &&
        increaseOfAll(
          profile,
          success.map(one => selector(one.counter, ignoring(one) + inScope)),
          windowSeconds,
        )
      );
    case 'latency':
      return latency && increase(profile, bucketsAt(latency.histogram, '\\+Inf', inScope), windowSeconds);
    case 'accuracy':
    case 'feedback': {
      const scores = scoresOf(profile, signal, '_count', inScope);
      return scores && increase(profile, [scores], windowSeconds);
    }
  }
}

function badOf(
  profile: Profile,
  signal: BuiltInSignal,
  level: Level,
  inScope: string,
  windowSeconds: number,
): string | undefined {
  const { success, latency } = profile;
  const requests = requestsOf(profile, signal.name, inScope, windowSeconds);
  switch (signal.name) {
    case 'success':
      return (
        success &&
        increaseOfAll(
          profile,
          success
            .filter(({ bad }) => bad !== false)
            .map(one => selector(one.counter, badOnly(one) + inScope)),
          windowSeconds,
        )
      );
    case 'latency': {
      if (!latency) return undefined;
      const atEdge = bucketsAt(latency.histogram, edge(signal.levels[level].edgeSeconds!), inScope);
      return `(${requests} - ${increase(profile, atEdge, windowSeconds)})`;
    }
    case 'accuracy':
    case 'feedback': {
      const sum = scoresOf(profile, signal.name, '_sum', inScope);
      return sum && `(${requests} - ${increase(profile, [sum], windowSeconds)})`;
    }
  }
}

/**
 * Sums over replicas and renames the profile's labels to `model` and `version`. The selectors are spellings of one
 * metric, joined by `or`: a server that changes its spelling during the window has both under the same labels, which
 * one selector by regular expression answers with an error for every model.
 */
function increase(profile: Profile, selectors: readonly string[], windowSeconds: number): string {
  const increases = selectors
    .map(selector => `increase(${selector}[${duration(windowSeconds)}])`)
    .join(' or ');
  return byModel(increases, profile.modelLabel, profile.versionLabel);
}

/**
 * The same for several counters of different requests. They may carry the same labels, so each is marked with its place:
 * `or` would take the second one for another spelling of the first.
 */
function increaseOfAll(profile: Profile, selectors: readonly string[], windowSeconds: number): string {
  if (selectors.length === 1) return increase(profile, selectors, windowSeconds);
  const increases = selectors.map(
    (one, place) =>
      `label_replace(increase(${one}[${duration(windowSeconds)}]), "counter", "${place}", "", "")`,
  );
  return byModel(increases.join(' or '), profile.modelLabel, profile.versionLabel);
}

const badOnly = ({ bad, ignored = [] }: OutcomeCounter) =>
  typeof bad === 'boolean'
    ? ignoring({ ignored })
    : matching(bad, '=~') + ignoring({ ignored: ignored.filter(({ label }) => label !== bad.label) });

const ignoring = ({ ignored = [] }: Pick<OutcomeCounter, 'ignored'>) =>
  ignored.map(values => matching(values, '!~')).join('');

const matching = ({ label, values }: LabelValues, how: '=~' | '!~') =>
  `,${label}${how}${quote(values.join('|'))}`;

/** Matchers are written with a comma in front of each. */
const selector = (name: string, matchers: string) => name + (matchers && `{${matchers.slice(1)}}`);

const bucketsAt = (histogram: string, le: string, more: string) =>
  histogramSpellings(histogram).map(buckets => `${buckets}{le=~${quote(le)}${more}}`);

/** A selector of one part of the histogram that has the signal's scores. */
function scoresOf(
  { scores, feedback }: Profile,
  signal: 'accuracy' | 'feedback',
  suffix: '_count' | '_sum',
  inScope: string,
): string | undefined {
  const part = signal === 'accuracy' ? scores : feedback;
  const matchers = `${signal === 'accuracy' && scores ? ofAccuracy(scores) : ''}${inScope}`;
  return part && selector(`${part.histogram}${suffix}`, matchers);
}

/** Scores of probes are no evidence: they say how the model does on what it is always asked. */
const ofAccuracy = ({ nameLabel }: NonNullable<Profile['scores']>) =>
  `,${nameLabel}=${quote(accuracyEvaluation)},source!="probe"`;

function matcher(profile: Profile, scope: ModelScope): string {
  if (scope.names.length === 0) return '';
  const models = `,${profile.modelLabel}${scope.kind === 'only' ? '=~' : '!~'}${anyOf(scope.names)}`;
  if (scope.kind === 'except' || scope.version === undefined || !profile.versionLabel) return models;
  return `${models},${profile.versionLabel}=${quote(scope.version)}`;
}
