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
  /** Upper, inclusive bucket edges, in the metric's unit. */
  readonly edges?: readonly number[];
  /** Whether the policy's latency thresholds become edges too. */
  readonly edgesAtThresholds?: true;
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
  tokenType: 'gen_ai.token.type',
  reason: 'reason',
  metric: 'metric',
  cpuMode: 'cpu.mode',
  gpuId: 'hw.id',
  gpuName: 'hw.name',
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

/** What a token was for. */
export const tokenTypes = ['input', 'output'] as const;
export type TokenType = (typeof tokenTypes)[number];

/**
 * How one attempt of a gateway at one target ended; `refused` is a target that took no request at all, `rate_limited` one
 * that answered 429.
 */
export const attemptOutcomes = ['ok', 'error', 'timeout', 'refused', 'rate_limited', 'cancelled'] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

/** Why an answer that was drawn for a check or a judge got no score; `unknown`: the judge could not tell. */
export const unscoredReasons = [
  'rate_limited',
  'queue_full',
  'timeout',
  'error',
  'invalid_score',
  'unknown',
] as const;
export type UnscoredReason = (typeof unscoredReasons)[number];

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
  'invalid_token_count',
  'unobservable_stream',
  'unobservable_answer',
  'unknown_library',
  'invalid_attempt',
  'invalid_event',
  'invalid_duration',
  'invalid_route_state',
  'invalid_answer',
  'invalid_request_id',
  'invalid_model_name',
  'too_many_models',
  'failed_callback',
  'colliding_labels',
  'conflicting_metric',
  'internal_error',
] as const;
export type RejectionReason = (typeof rejectionReasons)[number];

const baseAttributes = [
  attributes.operation,
  attributes.provider,
  attributes.model,
  attributes.version,
] as const;
const gpuAttributes = [attributes.gpuId, attributes.gpuName] as const;
const targetAttributes = [attributes.route, attributes.model, attributes.version] as const;

/** The conventions' edges for `gen_ai.server.request.duration`, and four below 10 ms for small models, in seconds. */
const requestDurationEdges = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48,
  40.96, 81.92,
] as const;

/** The conventions' edges for `gen_ai.server.time_to_first_token`, in seconds. */
const firstTokenEdges = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
] as const;

/** The conventions' edges for `gen_ai.server.time_per_output_token`, in seconds. */
const outputTokenEdges = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5] as const;

/** 0.5 ms doubled up to 82 s, in seconds. */
const stageDurationEdges = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192,
  16.384, 32.768, 65.536, 82,
] as const;

/** The conventions give each figure of the delay a metric of its own. Node's delay includes the 10 ms between looks. */
function eventLoopDelay(figure: string, words: string) {
  return {
    name: `nodejs.eventloop.delay.${figure}`,
    kind: 'gauge',
    unit: 's',
    description: `${words} delay of the event loop since the last reading, its 10 ms between looks included.`,
    attributes: [],
  } as const;
}

export const metrics = {
  requestDuration: {
    name: 'gen_ai.server.request.duration',
    kind: 'histogram',
    unit: 's',
    description:
      'From the arrival of a request to its end at the model server; cancelled requests are left out.',
    attributes: [...baseAttributes, attributes.errorType],
    edges: requestDurationEdges,
    edgesAtThresholds: true,
  },
  timeToFirstToken: {
    name: 'gen_ai.server.time_to_first_token',
    kind: 'histogram',
    unit: 's',
    description: 'From the arrival of a request to the first token of its answer; requests answered well.',
    attributes: baseAttributes,
    edges: firstTokenEdges,
  },
  timePerOutputToken: {
    name: 'gen_ai.server.time_per_output_token',
    kind: 'histogram',
    unit: 's',
    description: 'The mean time between the tokens of an answer after its first; requests answered well.',
    attributes: baseAttributes,
    edges: outputTokenEdges,
  },
  queueDuration: {
    name: 'ml.server.queue.duration',
    kind: 'histogram',
    unit: 's',
    description: 'From the arrival of a request to the moment the model starts to work on it.',
    attributes: baseAttributes,
    edges: stageDurationEdges,
    edgesAtThresholds: true,
  },
  inferenceDuration: {
    name: 'ml.server.inference.duration',
    kind: 'histogram',
    unit: 's',
    description: 'How long the model worked on a request; cancelled requests are left out.',
    attributes: baseAttributes,
    edges: stageDurationEdges,
    edgesAtThresholds: true,
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
  queueSize: {
    name: 'ml.server.queue.size',
    kind: 'gauge',
    unit: '{request}',
    description: 'Requests that have arrived and wait for the model; 0 where none was ever said to begin.',
    attributes: baseAttributes,
  },
  tokens: {
    name: 'ml.server.tokens',
    kind: 'counter',
    unit: '{token}',
    description: 'Tokens that the model read and wrote.',
    attributes: [...baseAttributes, attributes.tokenType],
  },
  evaluationScore: {
    name: 'ml.evaluation.score',
    kind: 'histogram',
    unit: '1',
    description: 'Scores in [0, 1], rounded to bucket edges at random so that the counts keep the mean.',
    attributes: [...baseAttributes, attributes.evaluationName, attributes.source],
    edges: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
  },
  unscored: {
    name: 'ml.evaluation.unscored',
    kind: 'counter',
    unit: '{answer}',
    description:
      'Answers that were drawn for the checks, or for the judge of that name, and got no score, by reason.',
    attributes: [...baseAttributes, attributes.evaluationName, attributes.source, attributes.reason],
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
  droppedSeries: {
    name: 'ml.telemetry.dropped_series',
    kind: 'counter',
    unit: '{series}',
    description: 'How often a new label set was refused because its metric had as many as it may, by metric.',
    attributes: [attributes.metric],
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
    edgesAtThresholds: true,
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
  processMemory: {
    name: 'process.memory.usage',
    kind: 'gauge',
    unit: 'By',
    description: 'Memory of the process that is resident (RSS).',
    attributes: [],
  },
  processCpu: {
    name: 'process.cpu.time',
    kind: 'counter',
    unit: 's',
    description: 'Processor time that the process has used.',
    attributes: [attributes.cpuMode],
  },
  eventLoopUtilization: {
    name: 'nodejs.eventloop.utilization',
    kind: 'gauge',
    unit: '1',
    description: 'The share of time that the event loop was busy since the last reading.',
    attributes: [],
  },
  eventLoopDelayMin: eventLoopDelay('min', 'Smallest'),
  eventLoopDelayMax: eventLoopDelay('max', 'Largest'),
  eventLoopDelayMean: eventLoopDelay('mean', 'Mean'),
  eventLoopDelayStddev: eventLoopDelay('stddev', 'Standard deviation of the'),
  eventLoopDelayP50: eventLoopDelay('p50', 'Median'),
  eventLoopDelayP90: eventLoopDelay('p90', '90th percentile of the'),
  eventLoopDelayP99: eventLoopDelay('p99', '99th percentile of the'),
  gpuUtilization: {
    name: 'hw.gpu.utilization',
    kind: 'gauge',
    unit: '1',
    description: 'The share of time that the GPU was busy, as nvidia-smi says.',
    attributes: gpuAttributes,
  },
  gpuMemoryUsage: {
    name: 'hw.gpu.memory.usage',
    kind: 'gauge',
    unit: 'By',
    description: 'Memory of the GPU in use.',
    attributes: gpuAttributes,
  },
  gpuMemoryLimit: {
    name: 'hw.gpu.memory.limit',
    kind: 'gauge',
    unit: 'By',
    description: 'Memory of the GPU.',
    attributes: gpuAttributes,
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof metrics;
type KeyOfKind<Kind extends MetricKind> = {
  [Key in MetricKey]: (typeof metrics)[Key]['kind'] extends Kind ? Key : never;
}[MetricKey];
export type HistogramKey = KeyOfKind<'histogram'>;
export type CounterKey = KeyOfKind<'counter'>;
export type GaugeKey = KeyOfKind<'gauge'>;

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
  const wanted = metric.edgesAtThresholds ? [...own, ...thresholdsSeconds] : own;
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
