import {
  type AttemptOutcome,
  attemptOutcomes,
  attributes,
  type GatewayEventName,
  gatewayEvents,
  metrics,
} from './metrics.ts';
import { sampledSpan } from './record/exemplars.ts';
import type { Counter, Gauge, Histogram, Recorder } from './record/recorder.ts';
import type { Rejections } from './rejections.ts';
import { isScore, roundKeepingMean } from './scores.ts';

/** A model of a route, as the gateway names it. */
export interface GatewayTarget {
  readonly route: string;
  readonly model: string;
  readonly version: string;
  /** Whether this is about copies of callers' requests, which no caller sees. Default false. */
  readonly shadow?: boolean | undefined;
}

/** One attempt at one target. */
export interface GatewayAttempt extends GatewayTarget {
  readonly outcome: AttemptOutcome;
  /** Whether the gateway tried another target after it, so that the caller saw nothing of this outcome. */
  readonly retried: boolean;
  readonly seconds: number;
}

/** Something that a gateway did of its own accord about a request that this target would have got. */
export interface GatewayEvent extends GatewayTarget {
  readonly event: GatewayEventName;
}

/** How well a target's answer to a copy agreed with the answer that the caller got. */
export interface GatewayAgreement extends GatewayTarget {
  /** In [0, 1]. */
  readonly score: number;
}

/** What the gateway follows now for one route. */
export interface ObservedRoute {
  readonly route: string;
  readonly generation: number;
  /** Basis points by model; 10000 is all of the traffic. */
  readonly weights: Readonly<Record<string, number>>;
}

/** Records what callers of a gateway got. None of these functions throws. */
export interface Gateway {
  /** Creates the target's series at zero, so that its first failure counts. Repeating it changes nothing. */
  declare(target: GatewayTarget): void;
  attempt(attempt: GatewayAttempt): void;
  event(event: GatewayEvent): void;
  /** Counts as a score of the model, with `agreement` as its evaluation and its source. */
  agreement(agreement: GatewayAgreement): void;
  /**
   * Asks for the routes at every scrape; the answer must be at hand. A model that a route no longer has stands at 0.
   * Returns how to stop asking, after which the last values stay on the page.
   */
  observeRoutes(readRoutes: () => readonly ObservedRoute[]): () => void;
}

export interface GatewayContext {
  readonly recorder: Recorder;
  readonly rejections: Rejections;
}

export function createGateway({ recorder, rejections }: GatewayContext): Gateway {
  const [callers, copies] = [createTargetLookup(recorder, false), createTargetLookup(recorder, true)];
  const seriesOf = (target: GatewayTarget) => (target.shadow === true ? copies : callers)(target);

  function declare(target: GatewayTarget): void {
    if (!isTarget(target)) {
      rejections.count('invalid_attempt');
      return;
    }
    const series = seriesOf(target);
    for (const outcome of attemptOutcomes) series.attempts(outcome, false);
    for (const event of gatewayEvents) series.events(event);
    series.duration();
    if (target.shadow === true) series.agreement();
    else for (const outcome of retriedOutcomes) series.attempts(outcome, true); // copies are never tried again
  }

  function attempt(given: GatewayAttempt): void {
    const { outcome, retried, seconds } = given;
    if (!isTarget(given) || !attemptOutcomes.includes(outcome)) {
      rejections.count('invalid_attempt');
      return;
    }
    const series = seriesOf(given);
    series.attempts(outcome, retried === true).add(1);
    if (!timedOutcomes.has(outcome)) return;
    if (Number.isFinite(seconds) && seconds >= 0) recordDuration(series.duration(), seconds);
    else rejections.count('invalid_duration');
  }

  function event(given: GatewayEvent): void {
    if (isTarget(given) && gatewayEvents.includes(given.event)) seriesOf(given).events(given.event).add(1);
    else rejections.count('invalid_event');
  }

  function agreement(given: GatewayAgreement): void {
    if (isTarget(given) && isScore(given.score))
      seriesOf(given)
        .agreement()
        .recordEdge(roundKeepingMean(given.score, scoreSteps, Math.random));
    else rejections.count('invalid_score');
  }

  function observeRoutes(readRoutes: () => readonly ObservedRoute[]): () => void {
    const setRoutes = createRouteGauges(recorder);
    return recorder.beforeReading(() => {
      try {
        setRoutes(readRoutes());
      } catch {
        rejections.count('invalid_route_state');
      }
    });
  }

  return {
    declare: rejections.contain(declare, undefined),
    attempt: rejections.contain(attempt, undefined),
    event: rejections.contain(event, undefined),
    agreement: rejections.contain(agreement, undefined),
    observeRoutes: rejections.contain(observeRoutes, () => {}),
  };
}

function recordDuration(durations: Histogram, seconds: number): void {
  durations.record(seconds);
  const span = sampledSpan();
  if (span !== undefined) durations.exemplify(seconds, span);
}

/** The others do not say how long the target takes: it was not asked, would not begin, or was not waited for. */
const timedOutcomes: ReadonlySet<AttemptOutcome> = new Set(['ok', 'error', 'timeout']);

/** What a gateway answers with another attempt. */
const retriedOutcomes = ['refused', 'timeout', 'error'] as const satisfies readonly AttemptOutcome[];

const scoreSteps = metrics.evaluationScore.edges.length - 1;

/** The series of one target; each is created at zero when it is first asked for. */
interface TargetSeries {
  attempts(outcome: AttemptOutcome, retried: boolean): Counter;
  duration(): Histogram;
  events(event: GatewayEventName): Counter;
  agreement(): Histogram;
}

/** Targets that are looked up without a search among the series; more than a gateway has, and no leak if one does. */
const maximumKnownTargets = 4096;

function createTargetLookup(recorder: Recorder, shadow: boolean): (target: GatewayTarget) => TargetSeries {
  const routes = new Map<string, Map<string, Map<string, TargetSeries>>>();
  let known = 0;

  function remember({ route, model, version }: GatewayTarget, series: TargetSeries): void {
    if (known === maximumKnownTargets) return;
    known += 1;
    const models = routes.get(route) ?? new Map<string, Map<string, TargetSeries>>();
    const versions = models.get(model) ?? new Map<string, TargetSeries>();
    routes.set(route, models.set(model, versions.set(version, series)));
  }

  return target => {
    const found = routes.get(target.route)?.get(target.model)?.get(target.version);
    if (found !== undefined) return found;
    const created = createTargetSeries(target, recorder, shadow);
    remember(target, created);
    return created;
  };
}

function createTargetSeries(
  { route, model, version }: GatewayTarget,
  recorder: Recorder,
  shadow: boolean,
): TargetSeries {
  const base = { [attributes.route]: route, [attributes.model]: model, [attributes.version]: version };
  const traffic = { ...base, [attributes.shadow]: String(shadow) };
  const attemptsOf = (retried: boolean) =>
    remembered((outcome: AttemptOutcome) => {
      const described = { ...traffic, [attributes.outcome]: outcome, [attributes.retried]: String(retried) };
      return recorder.counter('gatewayAttempts', described);
    });
  const [firstTries, retriedTries] = [attemptsOf(false), attemptsOf(true)];
  return {
    attempts: (outcome, retried) => (retried ? retriedTries : firstTries)(outcome),
    duration: once(() => recorder.histogram('gatewayDuration', traffic)),
    events: remembered(event => recorder.counter('gatewayEvents', { ...base, [attributes.event]: event })),
    agreement: once(() => recorder.histogram('evaluationScore', agreementOf(model, version))),
  };
}

/** The gateway does not know what the model is asked to do, nor whose it is. */
function agreementOf(model: string, version: string) {
  return {
    [attributes.model]: model,
    [attributes.version]: version,
    [attributes.evaluationName]: 'agreement',
    [attributes.source]: 'agreement',
  };
}

function remembered<Key, Series>(create: (key: Key) => Series): (key: Key) => Series {
  const known = new Map<Key, Series>();
  return key => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const created = create(key);
    known.set(key, created);
    return created;
  };
}

function once<Series>(create: () => Series): () => Series {
  let created: Series | undefined;
  return () => {
    created ??= create();
    return created;
  };
}

/** Sets the gauges of the routes that one observer has; a model that a route no longer has stands at 0. */
function createRouteGauges(recorder: Recorder): (routes: readonly ObservedRoute[]) => void {
  const known = new Map<string, Gauge>();

  function weightOf(route: string, model: string): Gauge {
    const key = JSON.stringify([route, model]);
    const labels = { [attributes.route]: route, [attributes.model]: model };
    const gauge = known.get(key) ?? recorder.gauge('gatewayRouteWeight', labels);
    if (known.size < maximumKnownTargets) known.set(key, gauge);
    return gauge;
  }

  return routes => {
    for (const gauge of known.values()) gauge.set(0);
    for (const { route, generation, weights } of routes) {
      recorder.gauge('gatewayRouteGeneration', { [attributes.route]: route }).set(generation);
      for (const [model, basisPoints] of Object.entries(weights)) weightOf(route, model).set(basisPoints);
    }
  };
}

function isTarget(target: GatewayTarget): boolean {
  return [target.route, target.model, target.version].every(part => typeof part === 'string' && part !== '');
}
