import type { Policy } from './policy.ts';
import { profiles } from './profiles/index.ts';
import type { Profile } from './profiles/profile.ts';
import { anyOf, duration, edge, histogramBuckets, histogramSpellings, literal, quote } from './promql.ts';
import type { Level, Signal, SignalName } from './signals.ts';

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
  evidence: 'relaycore_evidence_log_r',
  evidenceThreshold: 'relaycore_evidence_log_a',
  incident: 'relaycore_incident_models',
  routeWeight: 'relaycore_route_weight',
  routeGeneration: 'relaycore_route_generation',
  routePhase: 'relaycore_route_phase',
  routeConverged: 'relaycore_route_converged',
  routeProposal: 'relaycore_route_proposal',
  switches: 'relaycore_switches_total',
  switchedAt: 'relaycore_route_switched_timestamp_seconds',
  lastEvaluation: 'relaycore_last_evaluation_timestamp_seconds',
  tickDuration: 'relaycore_tick_duration_seconds',
  queryDuration: 'relaycore_query_duration_seconds',
  applyDuration: 'relaycore_apply_duration_seconds',
} as const;

/**
 * One instant query of raw counters. It serves all models and routes at once; nothing in it depends on their number.
 * Raw, because `increase()` extrapolates: one event in ten minutes reads as 1.012.
 */
export interface CounterQuery {
  readonly signal: SignalName;
  readonly promql: string;
}

/** The queries of one tick: one a signal. */
export function counterQueries(policy: Policy): readonly CounterQuery[] {
  const all = Object.values(profiles);
  const counters = all.flatMap(profile => profile.success?.counter ?? []);
  const histograms = all.flatMap(profile => profile.latency?.histogram ?? []);
  const scores = all.flatMap(profile => profile.scores ?? []);
  const edges = [...latencyEdges(policy)].map(edge).concat('\\+Inf').join('|');
  return [
    { signal: 'success', promql: `{__name__=~${anyOf(counters)}}` },
    {
      signal: 'latency',
      promql: `{__name__=~${quote(histograms.map(histogramBuckets).join('|'))},le=~${quote(edges)}}`,
    },
    {
      signal: 'accuracy',
      promql: `{__name__=~${quote(scores.map(({ histogram }) => `${literal(histogram)}_bucket`).join('|'))},${scores[0]!.nameLabel}=${quote(accuracyEvaluation)},source!="probe"}`,
    },
  ];
}

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

/** Requests per model over a window: the gateway's count where it reports, else the server's. */
export function requestsExpression(signal: SignalName, windowSeconds: number): string {
  return byVantage.flatMap(profile => requestsOf(profile, signal, '', windowSeconds) ?? []).join(' or ');
}

/**
 * Badness per model over a window: failed requests, slow requests, or the sum of 1 − score. Of a model that the
 * gateway counts, the server's badness is left out: a ratio never mixes two vantages.
 */
export function badExpression(
  signal: Signal,
  level: Level,
  scope: ModelScope,
  windowSeconds: number,
): string {
  return byVantage
    .flatMap((profile, index) => {
      const bad = badOf(profile, signal, level, matcher(profile, scope), windowSeconds);
      if (!bad) return [];
      const countedBefore = byVantage
        .slice(0, index)
        .flatMap(before => requestsOf(before, signal.name, matcher(before, scope), windowSeconds) ?? []);
      return countedBefore.length > 0 ? `(${bad} unless (${countedBefore.join(' or ')}))` : bad;
    })
    .join(' or ');
}

/** `A or B`: Prometheus takes B only for models that A lacks. So the gateway, which saw what callers got, is first. */
const byVantage: readonly Profile[] = Object.values(profiles).toSorted(
  (a, b) => Number(b.vantage === 'gateway') - Number(a.vantage === 'gateway'),
);

function requestsOf(
  profile: Profile,
  signal: SignalName,
  inScope: string,
  windowSeconds: number,
): string | undefined {
  const { success, latency, scores } = profile;
  switch (signal) {
    case 'success':
      return (
        success &&
        increase(
          profile,
          [
            `${success.counter}{${success.outcomeLabel}!~${anyOf(success.ignored)}${notTheCallers(success)}${inScope}}`,
          ],
          windowSeconds,
        )
      );
    case 'latency':
      return latency && increase(profile, bucketsAt(latency.histogram, '\\+Inf', inScope), windowSeconds);
    case 'accuracy':
      return scores && increase(profile, scoresOf(scores, '_count', inScope), windowSeconds);
  }
}

function badOf(
  profile: Profile,
  signal: Signal,
  level: Level,
  inScope: string,
  windowSeconds: number,
): string | undefined {
  const { success, latency, scores } = profile;
  const requests = requestsOf(profile, signal.name, inScope, windowSeconds);
  switch (signal.name) {
    case 'success':
      return (
        success &&
        increase(
          profile,
          [
            `${success.counter}{${success.outcomeLabel}=~${anyOf(success.bad)}${notTheCallers(success)}${inScope}}`,
          ],
          windowSeconds,
        )
      );
    case 'latency': {
      if (!latency) return undefined;
      const atEdge = bucketsAt(latency.histogram, edge(signal.levels[level].edgeSeconds!), inScope);
      return `(${requests} - ${increase(profile, atEdge, windowSeconds)})`;
    }
    case 'accuracy':
      return (
        scores && `(${requests} - ${increase(profile, scoresOf(scores, '_sum', inScope), windowSeconds)})`
      );
  }
}

/**
 * Sums over replicas and renames the profile's labels to `model` and `version`. The selectors are spellings of one
 * metric, joined by `or`: a server that changes its spelling during the window has both under the same labels, which
 * one selector by regular expression answers with an error for every model.
 */
function increase(profile: Profile, selectors: readonly string[], windowSeconds: number): string {
  const labels = [profile.modelLabel, ...(profile.versionLabel ? [profile.versionLabel] : [])];
  const increases = selectors
    .map(selector => `increase(${selector}[${duration(windowSeconds)}])`)
    .join(' or ');
  const summed = `sum by (${labels.join(', ')}) (${increases})`;
  const named = `label_replace(${summed}, "model", "$1", "${profile.modelLabel}", "(.+)")`;
  const versioned = profile.versionLabel
    ? `label_replace(${named}, "version", "$1", "${profile.versionLabel}", "(.+)")`
    : named;
  return `sum by (model, version) (${versioned})`;
}

const notTheCallers = ({ callersFault }: NonNullable<Profile['success']>) =>
  callersFault ? `,${callersFault.label}!~${anyOf(callersFault.values)}` : '';

const bucketsAt = (histogram: string, le: string, more: string) =>
  histogramSpellings(histogram).map(buckets => `${buckets}{le=~${quote(le)}${more}}`);

function scoresOf(scores: NonNullable<Profile['scores']>, suffix: string, more: string): string[] {
  return [
    `${scores.histogram}${suffix}{${scores.nameLabel}=${quote(accuracyEvaluation)},source!="probe"${more}}`,
  ];
}

function matcher(profile: Profile, scope: ModelScope): string {
  if (scope.names.length === 0) return '';
  const models = `,${profile.modelLabel}${scope.kind === 'only' ? '=~' : '!~'}${anyOf(scope.names)}`;
  if (scope.kind === 'except' || scope.version === undefined || !profile.versionLabel) return models;
  return `${models},${profile.versionLabel}=${quote(scope.version)}`;
}
