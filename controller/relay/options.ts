/** What a gateway says about its routes, checked once: every problem is reported, then the rest trusts it. */

import http from 'node:http';
import https from 'node:https';
import type { Gateway } from '@neuroweaver/instrumentation';
import type { Compare } from './compare.ts';
import { problemsOf } from './option-checks.ts';

export interface TargetOptions {
  /** Names the target in weights, headers and metrics; unique within its route. */
  readonly model: string;
  readonly version: string;
  /** Where the model is served. A path in it is put before the path of each request. */
  readonly url: string;
  /** How much the target can take from this process; default: any amount. */
  readonly capacity?: CapacityOptions | undefined;
}

/** What is beyond it goes to the next target that has room. */
export interface CapacityOptions {
  readonly requestsPerSecond?: number | undefined;
  /** Requests under way at a time, answers that are still being streamed included. */
  readonly inFlight?: number | undefined;
}

export interface RouteOptions {
  /** In order of preference; the first is the primary and has all the weight until told otherwise. */
  readonly targets: readonly TargetOptions[];
  /**
   * Whether a request that a target may have begun to work on can be sent again. `idempotent` (default): only
   * methods that HTTP calls idempotent. `always`: every method, for routes where answering twice changes nothing.
   */
  readonly allowRetry?: 'idempotent' | 'always' | undefined;
  /** How long a target may take to begin its answer, and then to send each next piece. Default 30,000. */
  readonly attemptTimeoutMs?: number | undefined;
  /** How long a connection may take before the target counts as refusing. Default 2,000. */
  readonly connectTimeoutMs?: number | undefined;
  readonly retryBudget?: RetryBudgetOptions | undefined;
  /** What becomes of targets that fail again and again. `false`: they are tried in their turn all the same. */
  readonly outliers?: OutlierOptions | false | undefined;
  /**
   * What becomes of a request when every target is at its capacity. `send` (default): the one that was picked gets
   * it. `refuse`: the caller gets a 503 with Retry-After.
   */
  readonly whenFull?: 'send' | 'refuse' | undefined;
  readonly shadow?: ShadowOptions | undefined;
}

/**
 * How many requests may be sent again after a target has begun to work on them, so that a dying target does not double
 * the load of the others. A refused request was no load, and going on with it costs nothing of the budget.
 */
export interface RetryBudgetOptions {
  /** Of the requests of the last ten seconds. Default 0.2. */
  readonly share?: number | undefined;
  /** Retries in ten seconds that are allowed whatever the share. Default 10. */
  readonly minimum?: number | undefined;
}

/**
 * A target that failed again and again is tried last for a moment. Weights stay as they are, and the moments are short:
 * the controller decides on the failures that it sees, so they must go on, a few a second. With pauses of two seconds
 * it took 16 instead of 11 seconds to decide on an outage.
 */
export interface OutlierOptions {
  /** Failures in a row that make an outlier: refused, error or timeout. Default 5. */
  readonly failuresInRow?: number | undefined;
  /** The first pause; each further one is twice as long. Between half and all of it, by chance. Default 50. */
  readonly baseMs?: number | undefined;
  /** The longest pause. Default 250. */
  readonly capMs?: number | undefined;
  /** At most this share of a route's targets, rounded up, and never all of them. Default 0.5. */
  readonly maxShare?: number | undefined;
  /** After a pause requests try the target one at a time; so many good answers in a row end it. Default 3. */
  readonly successesNeeded?: number | undefined;
}

/**
 * A sample of the callers' requests is sent to another target as well, once the caller has its answer. Only requests
 * that may be repeated are (`allowRetry`). What is beyond the bounds is dropped and counted.
 */
export interface ShadowOptions {
  /** Names of this route's targets, one of which gets the copy. Default: those that have no weight. */
  readonly targets?: readonly string[] | undefined;
  /** Of the requests, 0 to 100. */
  readonly percent: number;
  /** Default 10. */
  readonly maxPerSecond?: number | undefined;
  /** Copies kept or under way at a time. Default 8. */
  readonly maxInFlight?: number | undefined;
  /** Larger requests are not copied, larger answers not compared. Default 65,536. */
  readonly maxBodyBytes?: number | undefined;
  /** How well the two answers agree, in [0, 1]; counted as a score of the target that got the copy. */
  readonly compare?: Compare | undefined;
}

/** Where routes are read from, beside what is pushed: what is newer wins, wherever it comes from. */
export type FollowOptions = FollowSource & {
  /** How often it is looked at, however much it announces by itself. Default 2,000. */
  readonly pollMs?: number | undefined;
};

export type FollowSource =
  /** The documents that the controller keeps in Redis. `prefix` as in the policy, default `relaycore:route:`. */
  | { readonly redis: string; readonly prefix?: string | undefined }
  /** The document that the controller keeps in a file. */
  | { readonly file: string }
  /** Something that serves the route contract: another gateway with the relay kit. */
  | { readonly url: string; readonly token?: string | undefined };

export interface RelayOptions {
  readonly routes: Readonly<Record<string, RouteOptions>>;
  /** Keeps the last known weights over a restart. Its folder is created if missing. One process a file. */
  readonly stateFile: string;
  /** Demanded as `Authorization: Bearer …` by the route contract. Without one, only loopback callers are let in. */
  readonly token?: string | undefined;
  readonly follow?: FollowOptions | undefined;
  /** Where attempts and route states are counted: `ml.gateway()` of @neuroweaver/instrumentation. */
  readonly telemetry: Gateway;
  /** Default: one line on standard error for everything but single failed attempts, which the metrics count. */
  readonly log?: ((event: RelayEvent) => void) | undefined;
  /** A number in [0, 1) for each pick. Default Math.random. */
  readonly random?: (() => number) | undefined;
}

/** Something an operator may want to read later. `message` is a whole sentence. */
export interface RelayEvent {
  readonly kind:
    | 'state restored'
    | 'state unusable'
    | 'state not kept'
    | 'route changed'
    | 'attempt failed'
    | 'source unusable'
    | 'source usable again'
    | 'target avoided'
    | 'target trusted again'
    | 'comparison failed';
  readonly level: 'info' | 'warning' | 'error';
  readonly message: string;
  readonly route?: string;
  readonly cause?: unknown;
}

export type Log = (event: RelayEvent) => void;

export interface Target {
  readonly model: string;
  readonly version: string;
  /** As configured. */
  readonly address: string;
  readonly url: URL;
  /** Keeps connections to this target alive; destroyed when the relay closes. */
  readonly agent: http.Agent;
  /** Infinity where nothing was said. */
  readonly capacity: { readonly requestsPerSecond: number; readonly inFlight: number };
}

export interface Route {
  readonly name: string;
  readonly targets: readonly Target[];
  readonly allowRetry: 'idempotent' | 'always';
  readonly attemptTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly whenFull: 'send' | 'refuse';
  readonly retryBudget: Filled<RetryBudgetOptions>;
  readonly outliers: Filled<OutlierOptions> | undefined;
  readonly shadow: Shadow | undefined;
}

export interface Shadow extends Filled<Omit<ShadowOptions, 'targets' | 'compare'>> {
  /** Undefined: those without weight. */
  readonly targets: readonly Target[] | undefined;
  readonly compare: Compare | undefined;
}

type Filled<T> = { readonly [Key in keyof T]-?: Exclude<T[Key], undefined> };

export interface ParsedOptions {
  readonly routes: ReadonlyMap<string, Route>;
  readonly stateFile: string;
  readonly token: string | undefined;
  readonly follow: FollowOptions | undefined;
  readonly telemetry: Gateway;
  readonly log: Log;
  readonly random: () => number;
}

/** @throws Error with one line for each problem: where, what is wrong, what to do. */
export function parseOptions(options: RelayOptions): ParsedOptions {
  const {
    routes,
    stateFile,
    token,
    follow,
    telemetry,
    log = logToStandardError,
    random = Math.random,
  } = options;
  const problems = problemsOf(options);
  if (problems.length > 0) throw new Error(`relay: options are not usable:\n  ${problems.join('\n  ')}`);
  const parsed = Object.entries(routes).map(([name, route]) => [name, parseRoute(name, route)] as const);
  return { routes: new Map(parsed), stateFile, token, follow, telemetry, log, random };
}

function parseRoute(name: string, options: RouteOptions): Route {
  const { retryBudget = {}, outliers = {}, shadow } = options;
  const targets = options.targets.map(parseTarget);
  return {
    name,
    targets,
    allowRetry: options.allowRetry ?? 'idempotent',
    attemptTimeoutMs: options.attemptTimeoutMs ?? 30_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 2_000,
    whenFull: options.whenFull ?? 'send',
    retryBudget: { share: retryBudget.share ?? 0.2, minimum: retryBudget.minimum ?? 10 },
    outliers: outliers === false ? undefined : parseOutliers(outliers),
    shadow: shadow && parseShadow(shadow, targets),
  };
}

function parseTarget({ model, version, url: address, capacity = {} }: TargetOptions): Target {
  const url = new URL(address);
  const agentOptions = { keepAlive: true };
  const agent = url.protocol === 'https:' ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  const { requestsPerSecond = Number.POSITIVE_INFINITY, inFlight = Number.POSITIVE_INFINITY } = capacity;
  return { model, version, address, url, agent, capacity: { requestsPerSecond, inFlight } };
}

function parseOutliers(options: OutlierOptions): Filled<OutlierOptions> {
  const { failuresInRow = 5, baseMs = 50, capMs = 250, maxShare = 0.5, successesNeeded = 3 } = options;
  return { failuresInRow, baseMs, capMs, maxShare, successesNeeded };
}

function parseShadow(options: ShadowOptions, targets: readonly Target[]): Shadow {
  const { percent, maxPerSecond = 10, maxInFlight = 8, maxBodyBytes = 2 ** 16, compare } = options;
  const named = options.targets && targets.filter(({ model }) => options.targets?.includes(model));
  return { targets: named, percent, maxPerSecond, maxInFlight, maxBodyBytes, compare };
}

function logToStandardError(event: RelayEvent): void {
  if (event.kind !== 'attempt failed') console.error(`relay: ${event.level}: ${event.message}`);
}
