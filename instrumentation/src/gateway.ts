import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import type { Instruments } from './instruments.ts';
import { type AttemptOutcome, attemptOutcomes, attributes } from './metrics.ts';
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
  /** Creates the target's counters at zero, so that its first failure counts. Repeating it changes nothing. */
  declare(target: GatewayTarget): void;
  attempt(attempt: GatewayAttempt): void;
  /**
   * Asks for the routes at every scrape; the answer must be at hand. A model that a route no longer has stands at 0.
   * Returns how to stop asking, after which the last values stay on the page.
   */
  observeRoutes(readRoutes: () => readonly ObservedRoute[]): () => void;
}

export interface GatewayContext {
  readonly meter: Meter;
  readonly instruments: Instruments;
  readonly rejections: Rejections;
}

export function createGateway({ meter, instruments, rejections }: GatewayContext): Gateway {
  const { gatewayAttempts, gatewayDuration, gatewayRouteGeneration, gatewayRouteWeight } = instruments;

  function declare(target: GatewayTarget): void {
    if (!isTarget(target)) {
      rejections.count('invalid_attempt');
      return;
    }
    for (const outcome of attemptOutcomes) gatewayAttempts.add(0, attemptAttributes(target, outcome, false));
    for (const outcome of retriedOutcomes) gatewayAttempts.add(0, attemptAttributes(target, outcome, true));
  }

  function attempt(given: GatewayAttempt): void {
    const { outcome, retried } = given;
    if (!isTarget(given) || !attemptOutcomes.includes(outcome)) {
      rejections.count('invalid_attempt');
      return;
    }
    gatewayAttempts.add(1, attemptAttributes(given, outcome, retried === true));
    // Neither says how long the target takes: one was never asked, the other was not waited for.
    if (outcome !== 'refused' && outcome !== 'cancelled') recordDuration(given);
  }

  function recordDuration(given: GatewayAttempt): void {
    const { seconds } = given;
    if (Number.isFinite(seconds) && seconds >= 0) gatewayDuration.record(seconds, targetAttributes(given));
    else rejections.count('invalid_duration');
  }

  function observeRoutes(readRoutes: () => readonly ObservedRoute[]): () => void {
    const observables = [gatewayRouteGeneration, gatewayRouteWeight];
    const seenModels: SeenModels = new Map();
    const observeAll = (result: BatchObservableResult) => {
      try {
        const routes = readRoutes();
        observeGoneAtZero(result, seenModels);
        for (const route of routes) observe(result, route, seenModels);
      } catch {
        rejections.count('invalid_route_state');
      }
    };
    meter.addBatchObservableCallback(observeAll, observables);
    return () => meter.removeBatchObservableCallback(observeAll, observables);
  }

  function observe(result: BatchObservableResult, given: ObservedRoute, seenModels: SeenModels): void {
    const { route, generation, weights } = given;
    const seen = seenModels.get(route) ?? new Set();
    seenModels.set(route, seen);
    result.observe(gatewayRouteGeneration, generation, { [attributes.route]: route });
    for (const [model, basisPoints] of Object.entries(weights)) {
      seen.add(model);
      result.observe(gatewayRouteWeight, basisPoints, weightAttributes(route, model));
    }
  }

  /**
   * The SDK repeats an observed value for ever once nobody observes it: a model taken off a route would keep its last
   * weight. So everything seen before is observed at 0 first, and what the route still has then overwrites it.
   */
  function observeGoneAtZero(result: BatchObservableResult, seenModels: SeenModels): void {
    for (const [route, models] of seenModels) {
      for (const model of models) result.observe(gatewayRouteWeight, 0, weightAttributes(route, model));
    }
  }

  return {
    declare: rejections.contain(declare, undefined),
    attempt: rejections.contain(attempt, undefined),
    observeRoutes: rejections.contain(observeRoutes, () => {}),
  };
}

type SeenModels = Map<string, Set<string>>;

/** What a gateway answers with another attempt. */
const retriedOutcomes = ['refused', 'timeout', 'error'] as const satisfies readonly AttemptOutcome[];

function targetAttributes({ route, model, version }: GatewayTarget) {
  return { [attributes.route]: route, [attributes.model]: model, [attributes.version]: version };
}

function weightAttributes(route: string, model: string) {
  return { [attributes.route]: route, [attributes.model]: model };
}

function attemptAttributes(target: GatewayTarget, outcome: AttemptOutcome, retried: boolean) {
  return {
    ...targetAttributes(target),
    [attributes.outcome]: outcome,
    [attributes.retried]: retried ? 'true' : 'false',
  };
}

function isTarget(target: GatewayTarget): boolean {
  return [target.route, target.model, target.version].every(part => typeof part === 'string' && part !== '');
}
