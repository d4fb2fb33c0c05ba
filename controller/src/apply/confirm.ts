import type { Policy } from '@relaycore/rules';
import type { Readings, RouteState, SignalReadings, Weights } from '../types.ts';
import type { Reconciled } from './reconcile.ts';

/*
 * A gateway may say that it holds the shares and send its callers elsewhere all the same: a worker that missed the
 * reload, a cache, a second gateway that nobody told of. So what was read back is held against the requests that were
 * counted since, from the readings that there are anyway.
 *
 * A share seen over n requests contradicts the one that was told when chance alone shows it less often than e^{−n·KL},
 * by Chernoff's bound. Five points of difference are nobody's fault: callers that stick to a target, weights that a
 * gateway rounds.
 */

/** What the metrics say of the shares that a gateway says it holds. */
export type Confirmation =
  | { readonly kind: 'confirmed'; readonly since: number }
  | { readonly kind: 'pending'; readonly detail: string }
  | { readonly kind: 'not_followed'; readonly since: number; readonly detail: string }
  | { readonly kind: 'untold'; readonly detail: string };

/** What is remembered of a route between ticks. */
export interface Followed {
  readonly confirmation: Confirmation;
  /** Absent while the gateway does not hold the shares. */
  readonly watch?: Watch;
}

interface Watch {
  readonly generation: number;
  /** The first tick at which the gateway held them. */
  readonly heldSince: number;
  /** The ticks of the last minute, after the grace. */
  readonly minute: readonly Tick[];
  /** What was counted since the last contradiction, or since it was last confirmed over a minute. */
  readonly proof: Tick;
}

interface Tick {
  readonly at: number;
  readonly counts: Counts;
}

/** By target. */
type Counts = Readonly<Record<string, Count>>;

interface Count {
  readonly requests: number;
  /** Those that a gateway may have sent again to another target. */
  readonly failed: number;
}

export interface ConfirmInput {
  readonly policy: Policy;
  readonly states: ReadonlyMap<string, RouteState>;
  readonly gateways: ReadonlyMap<string, Reconciled>;
  readonly readings: Readings;
}

/** Requests that began on the old target end there, and a scrape tells of the time before it. */
const graceMs = 30_000;
const minuteMs = 60_000;
/** One in a thousand is enough to believe or to wait; one in a million to accuse, at every tick anew. */
const doubtNats = Math.log(1e3);
const accusationNats = Math.log(1e6);
/** Of all requests. */
const toleratedShare = 0.05;

/** Every route, one tick. While nothing can be read, everything stays as it was said last. */
export function confirmRoutes(
  before: ReadonlyMap<string, Followed>,
  input: ConfirmInput,
): ReadonlyMap<string, Followed> {
  if (input.readings.problem !== undefined) return before;
  const states = [...input.states.values()].filter(({ route }) => input.policy.routes[route]);
  const withUsers: InputWithUsers = {
    ...input,
    serving: routesByModel(states.map(({ route, weights }) => [route, carrying(weights)])),
    listing: routesByModel(Object.values(input.policy.routes).map(({ name, targets }) => [name, targets])),
  };
  return new Map(
    states.map(state => [state.route, followed(before.get(state.route), state, withUsers)] as const),
  );
}

/** Which routes send traffic to a model now, and which have it as a target. */
interface InputWithUsers extends ConfirmInput {
  readonly serving: ReadonlyMap<string, readonly string[]>;
  readonly listing: ReadonlyMap<string, readonly string[]>;
}

const carrying = (weights: Weights) => Object.keys(weights).filter(model => weights[model]! > 0);

function routesByModel(
  routes: readonly (readonly [route: string, models: readonly string[]])[],
): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const [route, models] of routes)
    for (const model of models) {
      const known = users.get(model);
      if (known) known.push(route);
      else users.set(model, [route]);
    }
  return users;
}

function followed(before: Followed | undefined, state: RouteState, input: InputWithUsers): Followed {
  const untold = whyUntold(state, input);
  if (untold !== undefined) return { confirmation: { kind: 'untold', detail: untold } };
  if (input.gateways.get(state.route)?.kind !== 'converged')
    return pending('the gateway does not hold them yet');
  const { at } = input.readings;
  const watch = before?.watch?.generation === state.generation ? before.watch : undefined;
  // What this tick tells of is from before.
  if (!watch) return { ...pending('told just now'), watch: newWatch(state.generation, at) };
  const counts = countsOf(state.weights, input);
  const next: Watch = {
    ...watch,
    minute: [
      ...watch.minute.filter(tick => tick.at > at - minuteMs),
      ...(at > watch.heldSince + graceMs ? [{ at, counts }] : []),
    ],
    proof: { at: watch.proof.at, counts: added(watch.proof.counts, counts) },
  };
  return judged(before!.confirmation, next, state, input);
}

const pending = (detail: string) => ({ confirmation: { kind: 'pending', detail } as const });

const newWatch = (generation: number, at: number): Watch => ({
  generation,
  heldSince: at,
  minute: [],
  proof: { at, counts: {} },
});

/** Why the requests of this route cannot be told from others, or are not counted. */
function whyUntold({ route: name, weights }: RouteState, { policy, serving, readings }: InputWithUsers) {
  const { targets, driver } = policy.routes[name]!;
  if (driver.kind === 'dry-run') return 'a dry run sends nobody anywhere';
  for (const model of targets) {
    const other = serving.get(model)?.find(route => route !== name);
    if (other !== undefined) return `${model} serves ${other} as well`;
    if ((weights[model] ?? 0) > 0 && !countedOf(readings.models.get(model)))
      return `nothing counts the requests of ${model}`;
  }
  return undefined;
}

function judged(before: Confirmation, watch: Watch, state: RouteState, input: InputWithUsers): Followed {
  const { at } = input.readings;
  const stray = strayIn(watch, state, input);
  if (stray !== undefined) {
    const since = before.kind === 'not_followed' ? before.since : at;
    return {
      confirmation: { kind: 'not_followed', since, detail: stray },
      watch: { ...watch, proof: { at, counts: {} } },
    };
  }
  const { proof } = watch;
  const wasConfirmed = before.kind === 'confirmed';
  const contradiction = contradictionIn(
    proof.counts,
    state.weights,
    wasConfirmed ? accusationNats : doubtNats,
  );
  if (contradiction !== undefined)
    return { ...pending(contradiction), watch: { ...watch, proof: { at, counts: {} } } };
  const requests = total(proof.counts);
  const needed = neededRequests(state.weights);
  if (requests < needed)
    return {
      confirmation: wasConfirmed
        ? before
        : { kind: 'pending', detail: `${Math.round(requests)} of ${needed} requests seen so far` },
      watch,
    };
  return {
    confirmation: wasConfirmed ? before : { kind: 'confirmed', since: at },
    watch: at - proof.at >= minuteMs ? { ...watch, proof: { at, counts: {} } } : watch,
  };
}

/** A target that should get nothing, gets more than stragglers, and can only have it from this route. */
function strayIn(
  { minute }: Watch,
  { route, weights }: RouteState,
  { policy, listing }: InputWithUsers,
): string | undefined {
  const counts = minute.reduce((sum, tick) => added(sum, tick.counts), {} as Counts);
  const requests = total(counts);
  const stray = policy.routes[route]!.targets.find(
    model =>
      (weights[model] ?? 0) === 0 &&
      listing.get(model)?.length === 1 &&
      isAbove(unexplained(counts, model) / requests, toleratedShare, requests, accusationNats),
  );
  if (stray === undefined) return undefined;
  const seen = percent(counts[stray]!.requests / requests);
  return `the gateway says 0 % for ${stray}, which got ${seen} of the requests in the last minute`;
}

/** What failed elsewhere may have been sent here as a second attempt. */
function unexplained(counts: Counts, model: string): number {
  const failed = Object.entries(counts).reduce(
    (sum, [other, count]) => sum + (other === model ? 0 : count.failed),
    0,
  );
  return Math.max(0, (counts[model]?.requests ?? 0) - failed);
}

/** The first share that is not what was told, if any. */
function contradictionIn(counts: Counts, weights: Weights, nats: number): string | undefined {
  const requests = total(counts);
  const wrong = Object.keys(counts).find(model => {
    const told = (weights[model] ?? 0) / 10_000;
    const most = isAbove(unexplained(counts, model) / requests, told + toleratedShare, requests, nats);
    const least = Math.max(told - toleratedShare, told / 2);
    return most || isAbove(1 - counts[model]!.requests / requests, 1 - least, requests, nats);
  });
  if (wrong === undefined) return undefined;
  const seen = percent(counts[wrong]!.requests / requests);
  return `${wrong} should get ${(weights[wrong] ?? 0) / 100} %, and got ${seen} of ${Math.round(requests)} requests`;
}

/** Enough to notice if a target got half of what it should. */
const neededRequests = (weights: Weights) =>
  Math.max(
    ...Object.values(weights)
      .filter(weight => weight > 0)
      .map(weight => Math.ceil(doubtNats / divergence(weight / 10_000, weight / 20_000))),
  );

const isAbove = (seen: number, told: number, requests: number, nats: number) =>
  told < 1 && seen > told && requests * divergence(seen, told) > nats;

/** KL(p ‖ q) of two shares, in nats. */
function divergence(p: number, q: number): number {
  const part = (a: number, b: number) => (a === 0 ? 0 : a * Math.log(a / b));
  return part(p, q) + part(1 - p, 1 - q);
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

/** What this tick counted at the targets of a route. */
function countsOf(weights: Weights, { readings, policy }: ConfirmInput): Counts {
  return Object.fromEntries(
    Object.keys(weights).map(model => {
      const counted = countedOf(readings.models.get(model)) ?? { requests: 0, failed: 0, isGateway: false };
      const copies = readings.copies?.get(model) ?? 0;
      const probes = counted.isGateway ? 0 : probesOf(policy, model);
      return [model, { failed: counted.failed, requests: Math.max(0, counted.requests - copies - probes) }];
    }),
  );
}

/** Those that succeed or fail; of a server that does not tell them apart, those that it timed. */
function countedOf(signals: SignalReadings | undefined): (Count & { isGateway: boolean }) | undefined {
  const reading = [signals?.success, signals?.latency].find(one => one?.kind === 'counts');
  if (reading?.kind !== 'counts') return undefined;
  let [requests, failed] = [0, 0];
  for (const { badness, count } of reading.levels.critical)
    [requests, failed] = [requests + count, failed + badness * count];
  return { requests, failed, isGateway: reading.vantage === 'gateway' };
}

/** A server counts the controller's own probes as well. */
function probesOf({ models, probes, detection }: Policy, id: string): number {
  const model = models[id];
  if (model?.endpoint === undefined) return 0;
  return (Math.max(1, model.probes.length) * detection.tickMs) / probes.intervalMs;
}

function added(one: Counts, other: Counts): Counts {
  const models = new Set([...Object.keys(one), ...Object.keys(other)]);
  const sum = (model: string, key: keyof Count) => (one[model]?.[key] ?? 0) + (other[model]?.[key] ?? 0);
  return Object.fromEntries(
    [...models].map(model => [model, { requests: sum(model, 'requests'), failed: sum(model, 'failed') }]),
  );
}

const total = (counts: Counts) => Object.values(counts).reduce((sum, { requests }) => sum + requests, 0);
