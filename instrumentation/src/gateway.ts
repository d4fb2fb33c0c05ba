import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import type { Instruments } from './instruments.ts';
import {
  type AttemptOutcome,
  attemptOutcomes,
  attributes,
  type GatewayEventName,
  gatewayEvents as gatewayEventNames,
  metrics,
} from './metrics.ts';
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
  /** Creates the target's counters at zero, so that its first failure counts. Repeating it changes nothing. */
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
  readonly meter: Meter;
  readonly instruments: Instruments;
  readonly rejections: Rejections;
}

export function createGateway({ meter, instruments, rejections }: GatewayContext): Gateway {
  const { gatewayAttempts, gatewayDuration, gatewayEvents, evaluationScore } = instruments;
  const { gatewayRouteGeneration, gatewayRouteWeight } = instruments;

  function declare(target: GatewayTarget): void {
    if (!isTarget(target)) {
      rejections.count('invalid_attempt');
      return;
    }
    for (const outcome of attemptOutcomes) gatewayAttempts.add(0, attemptAttributes(target, outcome, false));
    for (const event of gatewayEventNames) gatewayEvents.add(0, eventAttributes(target, event));
    if (target.shadow === true) return; // copies are never tried again
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
    if (Number.isFinite(seconds) && seconds >= 0) gatewayDuration.record(seconds, trafficAttributes(given));
    else rejections.count('invalid_duration');
  }

  function event(given: GatewayEvent): void {
    if (isTarget(given) && gatewayEventNames.includes(given.event))
      gatewayEvents.add(1, eventAttributes(given, given.event));
    else rejections.count('invalid_event');
  }

  function agreement(given: GatewayAgreement): void {
    if (!isTarget(given) || !isScore(given.score)) rejections.count('invalid_score');
    else evaluationScore.record(roundKeepingMean(given.score, scoreSteps, Math.random), agreementOf(given));
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
    event: rejections.contain(event, undefined),
    agreement: rejections.contain(agreement, undefined),
    observeRoutes: rejections.contain(observeRoutes, () => {}),
  };
}

const scoreSteps = metrics.evaluationScore.edges.length - 1;

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
    ...trafficAttributes(target),
    [attributes.outcome]: outcome,
    [attributes.retried]: retried ? 'true' : 'false',
  };
}

function trafficAttributes(target: GatewayTarget) {
  return { ...targetAttributes(target), [attributes.shadow]: target.shadow === true ? 'true' : 'false' };
}

function eventAttributes(target: GatewayTarget, event: GatewayEventName) {
  return { ...targetAttributes(target), [attributes.event]: event };
}

/** The gateway does not know what the model is asked to do, nor whose it is. */
function agreementOf({ model, version }: GatewayTarget) {
  return {
    [attributes.model]: model,
    [attributes.version]: version,
    [attributes.evaluationName]: 'agreement',
    [attributes.source]: 'agreement',
  };
}

function isTarget(target: GatewayTarget): boolean {
  return [target.route, target.model, target.version].every(part => typeof part === 'string' && part !== '');
}
