/**
 * Every metric of this package once: name, kind, unit, attributes, buckets. Rules, dashboards and the README take
 * the names from here. The `gen_ai.*` names are those of the OpenTelemetry semantic conventions for generative AI.
 */

export type MetricKind = 'histogram' | 'counter' | 'gauge';

export interface MetricDefinition {
  /** The OpenTelemetry name; `prometheusName` gives the one on the metrics page. */
  readonly name: string;
  readonly kind: MetricKind;
  /** UCUM, as OpenTelemetry writes it: `s`, `1`, `{request}`. */
  readonly unit: string;
  readonly description: string;
  /** OpenTelemetry attribute names; `prometheusLabel` gives the labels. */
  readonly attributes: readonly string[];
  /** Upper, inclusive bucket edges, in the metric's unit. Durations also get an edge at every threshold. */
  readonly edges?: readonly number[];
}

export const attributes = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  model: 'gen_ai.request.model',
  version: 'ml.model.version',
  outcome: 'outcome',
  /** Absent on requests that were answered well. */
  errorType: 'error.type',
  evaluationName: 'evaluation.name',
  source: 'source',
  reason: 'reason',
  route: 'route',
  /** `true` on an attempt after which the gateway tried again, so that no caller saw this outcome. */
  retried: 'retried',
  /** `true` on an attempt that carried a copy of a caller's request, so that no caller saw it. */
  shadow: 'shadow',
  event: 'event',
} as const;

/** How a request ended at the model server. */
export const requestOutcomes = ['ok', 'error', 'timeout', 'cancelled'] as const;
export type RequestOutcome = (typeof requestOutcomes)[number];

/** The closed list behind `error.type`; `_OTHER` is the conventions' name for everything else. */
export const errorTypes = [
  'timeout',
  'cancelled',
  'connection_refused',
  'connection_reset',
  'unreachable',
  'rate_limited',
  'unavailable',
  'unauthorized',
  'invalid_request',
  'out_of_memory',
  'model_error',
  '_OTHER',
] as const;
export type ErrorType = (typeof errorTypes)[number];

/** Where a score comes from. */
export const scoreSources = ['label', 'feedback', 'check', 'judge', 'agreement', 'probe'] as const;
export type ScoreSource = (typeof scoreSources)[number];

/** How one attempt of a gateway at one target ended; `refused` is a target that took no request at all. */
export const attemptOutcomes = ['ok', 'error', 'timeout', 'refused', 'cancelled'] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

/**
 * What a gateway did of its own accord: sent a request past a target that had just failed (`avoided`) or had no room
 * (`spilled`), found room nowhere (`full`), gave a failed attempt no second one (`retry_withheld`), or left a copy
 * unsent (`shadow_dropped`).
 */
export const gatewayEvents = ['avoided', 'spilled', 'full', 'retry_withheld', 'shadow_dropped'] as const;
export type GatewayEventName = (typeof gatewayEvents)[number];

/** Why something given to this package was not recorded. */
export const rejectionReasons = [
  'stale_ticket',
  'too_many_open_requests',
  'invalid_score',
  'invalid_rating',
  'invalid_evaluation_name',
  'too_many_evaluation_names',
  'unknown_source',
  'invalid_attempt',
  'invalid_event',
  'invalid_duration',
  'invalid_route_state',
  'internal_error',
] as const;
export type RejectionReason = (typeof rejectionReasons)[number];

const baseAttributes = [
  attributes.operation,
  attributes.provider,
  attributes.model,
  attributes.version,
] as const;
const targetAttributes = [attributes.route, attributes.model, attributes.version] as const;

/** The conventions' edges for `gen_ai.server.request.duration`, and four below 10 ms for small models, in seconds. */
const requestDurationEdges = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48,
  40.96, 81.92,
] as const;

/** 0.5 ms doubled up to 82 s, in seconds. */
const stageDurationEdges = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192,
  16.384, 32.768, 65.536, 82,
] as const;

export const metrics = {
  requestDuration: {
    name: 'gen_ai.server.request.duration',
    kind: 'histogram',
    unit: 's',
    description:
      'From the arrival of a request to its end at the model server; cancelled requests are left out.',
    attributes: [...baseAttributes, attributes.errorType],
    edges: requestDurationEdges,
  },
  queueDuration: {
    name: 'ml.server.queue.duration',
    kind: 'histogram',
    unit: 's',
    description: 'From the arrival of a request to the moment the model starts to work on it.',
    attributes: baseAttributes,
    edges: stageDurationEdges,
  },
  inferenceDuration: {
    name: 'ml.server.inference.duration',
    kind: 'histogram',
    unit: 's',
    description: 'How long the model worked on a request; cancelled requests are left out.',
    attributes: baseAttributes,
    edges: stageDurationEdges,
  },
  requests: {
    name: 'ml.server.requests',
    kind: 'counter',
    unit: '{request}',
    description: 'Requests ended, by outcome.',
    attributes: [...baseAttributes, attributes.outcome, attributes.errorType],
  },
  activeRequests: {
    name: 'ml.server.active_requests',
    kind: 'gauge',
    unit: '{request}',
    description: 'Requests that have arrived and not ended.',
    attributes: baseAttributes,
  },
  evaluationScore: {
    name: 'ml.evaluation.score',
    kind: 'histogram',
    unit: '1',
    description: 'Scores in [0, 1], rounded to bucket edges at random so that the counts keep the mean.',
    attributes: [...baseAttributes, attributes.evaluationName, attributes.source],
    edges: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
  },
  feedbackRating: {
    name: 'ml.feedback.rating',
    kind: 'histogram',
    unit: '1',
    description:
      'Ratings by people, scaled to [0, 1], rounded to bucket edges so that the counts keep the mean.',
    attributes: baseAttributes,
    edges: [0, 0.25, 0.5, 0.75, 1],
  },
  rejected: {
    name: 'ml.telemetry.rejected',
    kind: 'counter',
    unit: '{measurement}',
    description: 'Measurements that were not recorded because they were wrong, by reason.',
    attributes: [attributes.reason],
  },
  gatewayAttempts: {
    name: 'relaycore.gateway.attempts',
    kind: 'counter',
    unit: '{attempt}',
    description: 'Attempts of the gateway at a target, by outcome; retried ones were hidden from the caller.',
    attributes: [...targetAttributes, attributes.outcome, attributes.retried, attributes.shadow],
  },
  gatewayEvents: {
    name: 'relaycore.gateway.events',
    kind: 'counter',
    unit: '{event}',
    description: 'What the gateway did of its own accord about requests that a target would have got.',
    attributes: [...targetAttributes, attributes.event],
  },
  gatewayDuration: {
    name: 'relaycore.gateway.duration',
    kind: 'histogram',
    unit: 's',
    description: 'How long an attempt took at the gateway; refused and cancelled ones are left out.',
    attributes: [...targetAttributes, attributes.shadow],
    edges: requestDurationEdges,
  },
  gatewayRouteGeneration: {
    name: 'relaycore.gateway.route.generation',
    kind: 'gauge',
    unit: '1',
    description: 'The generation of the route that the gateway follows now.',
    attributes: [attributes.route],
  },
  gatewayRouteWeight: {
    name: 'relaycore.gateway.route.weight',
    kind: 'gauge',
    unit: '1',
    description: 'The share of the route that the gateway sends to a target now, in basis points.',
    attributes: [attributes.route, attributes.model],
  },
  processStartTime: {
    // The name is Prometheus' own convention, not OpenTelemetry's: it tells a new process from a counter reset.
    name: 'process_start_time_seconds',
    kind: 'gauge',
    unit: 's',
    description: 'When the process started, in seconds since the epoch.',
    attributes: [],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof metrics;

/** Where a latency threshold lies when nobody says otherwise, in seconds: the policy's warning and critical. */
export const defaultLatencyThresholdsSeconds: readonly number[] = [2, 5];

/**
 * The metric's bucket edges with the thresholds merged in, ascending and without repetition. Only a threshold that is
 * an edge can be counted exactly; between two edges a histogram says nothing.
 */
export function edgesWithThresholds(
  metric: MetricDefinition,
  thresholdsSeconds: readonly number[],
): readonly number[] {
  const own = metric.edges ?? [];
  const wanted = metric.unit === 's' ? [...own, ...thresholdsSeconds] : own;
  return [...new Set(wanted)].sort((left, right) => left - right);
}

/** The name on the metrics page, as exporter-prometheus writes it: no unit suffix, counters end in `_total`. */
export function prometheusName(metric: MetricDefinition): string {
  const name = prometheusLabel(metric.name);
  return metric.kind === 'counter' ? `${name}_total` : name;
}

/** `gen_ai.request.model` → `gen_ai_request_model`. */
export function prometheusLabel(attribute: string): string {
  return attribute.replaceAll('.', '_');
}
