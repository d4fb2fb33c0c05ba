import { type AttemptOutcome, attemptOutcomes, attributes } from './metrics.ts';
import { sampledSpan } from './record/exemplars.ts';
import type { Counter, Gauge, Histogram, Recorder } from './record/recorder.ts';
import type { Rejections } from './rejections.ts';

/** A model of a route, as the gateway names it. */
export interface GatewayTarget {
  readonly route: string;
  readonly model: string;
  readonly version: string;
}

/** One attempt at one target. */
export interface GatewayAttempt extends GatewayTarget {
  readonly outcome: AttemptOutcome;
  /** Whether the gateway tried another target after it, so that the caller saw nothing of this outcome. */
  readonly retried: boolean;
  readonly seconds: number;
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
  const seriesOf = createTargetLookup(recorder);

  function declare(target: GatewayTarget): void {
    if (!isTarget(target)) {
      rejections.count('invalid_attempt');
      return;
    }
    const series = seriesOf(target);
    for (const outcome of attemptOutcomes) series.attempts(outcome, false);
    for (const outcome of retriedOutcomes) series.attempts(outcome, true);
    series.duration();
  }

  function attempt(given: GatewayAttempt): void {
    const { outcome, retried, seconds } = given;
    if (!isTarget(given) || !attemptOutcomes.includes(outcome)) {
      rejections.count('invalid_attempt');
      return;
    }
    const series = seriesOf(given);
    series.attempts(outcome, retried === true).add(1);
    // Neither says how long the target takes: one was never asked, the other was not waited for.
    if (outcome === 'refused' || outcome === 'cancelled') return;
    if (Number.isFinite(seconds) && seconds >= 0) recordDuration(series.duration(), seconds);
    else rejections.count('invalid_duration');
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
    observeRoutes: rejections.contain(observeRoutes, () => {}),
  };
}

function recordDuration(durations: Histogram, seconds: number): void {
  durations.record(seconds);
  const span = sampledSpan();
  if (span !== undefined) durations.exemplify(seconds, span);
}

/** What a gateway answers with another attempt. */
const retriedOutcomes = ['refused', 'timeout', 'error'] as const satisfies readonly AttemptOutcome[];

/** The series of one target; each is created at zero when it is first asked for. */
interface TargetSeries {
  attempts(outcome: AttemptOutcome, retried: boolean): Counter;
  duration(): Histogram;
}

/** Targets that are looked up without a search among the series; more than a gateway has, and no leak if one does. */
const maximumKnownTargets = 4096;

function createTargetLookup(recorder: Recorder): (target: GatewayTarget) => TargetSeries {
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
    const created = createTargetSeries(target, recorder);
    remember(target, created);
    return created;
  };
}

function createTargetSeries({ route, model, version }: GatewayTarget, recorder: Recorder): TargetSeries {
  const base = { [attributes.route]: route, [attributes.model]: model, [attributes.version]: version };
  const [firstTries, retriedTries] = [new Map<AttemptOutcome, Counter>(), new Map<AttemptOutcome, Counter>()];
  let durations: Histogram | undefined;
  return {
    attempts(outcome, retried) {
      const tries = retried ? retriedTries : firstTries;
      const known = tries.get(outcome);
      if (known !== undefined) return known;
      const described = { ...base, [attributes.outcome]: outcome, [attributes.retried]: String(retried) };
      const created = recorder.counter('gatewayAttempts', described);
      tries.set(outcome, created);
      return created;
    },
    duration() {
      durations ??= recorder.histogram('gatewayDuration', base);
      return durations;
    },
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
