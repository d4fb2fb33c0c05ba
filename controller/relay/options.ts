/** What a gateway says about its routes, checked once: every problem is reported, then the rest trusts it. */

import http from 'node:http';
import https from 'node:https';
import type { Gateway } from '@neuroweaver/instrumentation';

export interface TargetOptions {
  /** Names the target in weights, headers and metrics; unique within its route. */
  readonly model: string;
  readonly version: string;
  /** Where the model is served. A path in it is put before the path of each request. */
  readonly url: string;
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
}

export interface RelayOptions {
  readonly routes: Readonly<Record<string, RouteOptions>>;
  /** Keeps the last known weights over a restart. Its folder is created if missing. One process a file. */
  readonly stateFile: string;
  /** Demanded as `Authorization: Bearer …` by the route contract. Without one, only loopback callers are let in. */
  readonly token?: string | undefined;
  /** Where attempts and route states are counted: `ml.gateway()` of @neuroweaver/instrumentation. */
  readonly telemetry: Gateway;
  /** Default: one line on standard error for everything but single failed attempts, which the metrics count. */
  readonly log?: ((event: RelayEvent) => void) | undefined;
  /** A number in [0, 1) for each pick. Default Math.random. */
  readonly random?: (() => number) | undefined;
}

/** Something an operator may want to read later. `message` is a whole sentence. */
export interface RelayEvent {
  readonly kind: 'state restored' | 'state unusable' | 'state not kept' | 'route changed' | 'attempt failed';
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
}

export interface Route {
  readonly name: string;
  readonly targets: readonly Target[];
  readonly allowRetry: 'idempotent' | 'always';
  readonly attemptTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

export interface ParsedOptions {
  readonly routes: ReadonlyMap<string, Route>;
  readonly stateFile: string;
  readonly token: string | undefined;
  readonly telemetry: Gateway;
  readonly log: Log;
  readonly random: () => number;
}

const tokenRemedy =
  'empty or with spaces; give a secret without, or leave it out to admit loopback callers only';

/** @throws Error with one line for each problem: where, what is wrong, what to do. */
export function parseOptions(options: RelayOptions): ParsedOptions {
  const { routes, stateFile, token, telemetry, log = logToStandardError, random = Math.random } = options;
  const problems = [
    ...(stateFile ? [] : ['stateFile: empty; name a file that survives a restart of the gateway']),
    ...(token === undefined || /^\S+$/.test(token) ? [] : [`token: ${tokenRemedy}`]),
    ...(Object.keys(routes).length > 0 ? [] : ['routes: none given; name at least one']),
    ...Object.entries(routes).flatMap(([name, route]) => routeProblems(name, route)),
  ];
  if (problems.length > 0) throw new Error(`relay: options are not usable:\n  ${problems.join('\n  ')}`);
  const parsed = Object.entries(routes).map(([name, route]) => [name, parseRoute(name, route)] as const);
  return { routes: new Map(parsed), stateFile, token, telemetry, log, random };
}

function routeProblems(name: string, route: RouteOptions): string[] {
  const at = `routes.${name}`;
  const models = route.targets.map(target => target.model);
  const repeated = new Set(models.filter((model, index) => models.indexOf(model) !== index));
  return [
    ...(/^[\w.~-]+$/.test(name) ? [] : [`${at}: the name stands in a path; use letters, digits and . _ ~ -`]),
    ...(models.length > 0 ? [] : [`${at}.targets: none given; name at least one`]),
    ...[...repeated].map(model => `${at}.targets: "${model}" stands twice; weights need distinct names`),
    ...route.targets.flatMap((target, index) => targetProblems(`${at}.targets[${index}]`, target)),
    ...(allowRetries.has(route.allowRetry) ? [] : [`${at}.allowRetry: must be idempotent or always`]),
    ...timeoutProblems(`${at}.attemptTimeoutMs`, route.attemptTimeoutMs),
    ...timeoutProblems(`${at}.connectTimeoutMs`, route.connectTimeoutMs),
  ];
}

const allowRetries = new Set<string | undefined>(['idempotent', 'always', undefined]);

function targetProblems(at: string, { model, version, url }: TargetOptions): string[] {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain = parsed && /^https?:$/.test(parsed.protocol) && parsed.search + parsed.hash === '';
  return [
    // The name is sent back in a header, where other characters are not allowed.
    ...(/^[\x21-\x7e]+$/.test(model) ? [] : [`${at}.model: "${model}" must be visible ASCII without spaces`]),
    ...(version ? [] : [`${at}.version: empty; metrics tell versions apart by it`]),
    ...(plain ? [] : [`${at}.url: "${url}" must be an http or https address without ? and #`]),
  ];
}

/** Node's timers hold at most 2^31 - 1 ms; more would fire at once. */
function timeoutProblems(at: string, timeoutMs: number | undefined): string[] {
  if (timeoutMs === undefined || (timeoutMs > 0 && timeoutMs < 2 ** 31)) return [];
  return [`${at}: ${timeoutMs} must be more than 0 and less than ${2 ** 31}`];
}

function parseRoute(name: string, options: RouteOptions): Route {
  return {
    name,
    targets: options.targets.map(parseTarget),
    allowRetry: options.allowRetry ?? 'idempotent',
    attemptTimeoutMs: options.attemptTimeoutMs ?? 30_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 2_000,
  };
}

function parseTarget({ model, version, url: address }: TargetOptions): Target {
  const url = new URL(address);
  const agentOptions = { keepAlive: true };
  const agent = url.protocol === 'https:' ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  return { model, version, address, url, agent };
}

function logToStandardError(event: RelayEvent): void {
  if (event.kind !== 'attempt failed') console.error(`relay: ${event.level}: ${event.message}`);
}
