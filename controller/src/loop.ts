import type { Policy, Route } from '@relaycore/rules';
import type { Logger } from 'pino';
import { confirmRoutes, type Followed } from './apply/confirm.ts';
import type { GatewayDriver, GatewayState } from './apply/driver.ts';
import type { Reconciled } from './apply/reconcile.ts';
import type { ModelState } from './assess/assess.ts';
import { type GaugeStates, withGauges } from './assess/gauges.ts';
import { incidentOf } from './assess/incident.ts';
import { assessModels } from './assess/models.ts';
import { judgeWithoutRequests } from './assess/without-requests.ts';
import { answerTo, isLeftAlone } from './changed-by-hand.ts';
import type { Clock } from './clock.ts';
import { allTo } from './decide/weights.ts';
import { messageOf } from './errors.ts';
import { createFreshLooks, newTarget, untilLookedAt } from './fresh-looks.ts';
import { type ChangedByHand, createGateways } from './gateways.ts';
import { type Ground, type Plan, planRoute } from './plan.ts';
import { followProposal } from './proposals.ts';
import { type ProbeMemory, withProbes } from './read/probe-readings.ts';
import type { Prober } from './read/probes.ts';
import type { Reader } from './read/prometheus.ts';
import type { Database } from './record/database.ts';
import { insertMetricSnapshots } from './record/metric-snapshots.ts';
import { loadModelStates, modelStateKeeper } from './record/model-states.ts';
import { loadOpenProposals } from './record/proposals.ts';
import { type DecisionStretch, decisionKeeper } from './record/route-decisions.ts';
import { commitChange, insertRouteState, loadRouteStates } from './record/route-states.ts';
import { isLeaving, modelsLeftSince, type NewSwitchEvent } from './record/switch-events.ts';
import type { RouteStatus, Status } from './status.ts';
import type { Telemetry } from './telemetry.ts';
import { type Cause, type Proposal, type Readings, type RouteState, serving } from './types.ts';

export interface LoopParts {
  readonly policy: Policy;
  readonly reader: Reader;
  readonly prober: Prober;
  readonly drivers: ReadonlyMap<string, GatewayDriver>;
  readonly database: Database;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly log: Logger;
}

export interface Loop {
  status(): Status;
  /** One round of read, assess, decide, apply, record; rounds never overlap. */
  tick(): Promise<void>;
  /** Ticks until the signal aborts, then waits for the round in flight. */
  run(signal: AbortSignal): Promise<void>;
  /** Runs between ticks: for a change by a person. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** Commits the next state of a route and tells the gateway. */
  commit(
    next: RouteState,
    event: NewSwitchEvent,
    also?: Parameters<typeof commitChange>[3],
  ): Promise<Reconciled | 'lost'>;
  /** What is decided now on a state, by what was read last; undefined before the first round. */
  plan(route: Route, state: RouteState): Plan | undefined;
  /** Shows what a person changed on these routes, and what is decided on it, before the next round does. */
  refresh(routes: readonly string[]): Promise<void>;
  /** Looks at a target that a person wants to move a route to, unless it was just looked at. */
  lookFirst(model: string): Promise<void>;
  /** What was decided at a time. */
  decidedAt(route: string, at: number): Promise<DecisionStretch | undefined>;
}

const snapshotEveryMs = 60_000;
/** Somebody who sets a gateway again and again is answered no more often than this. */
const answerEveryMs = 60_000;
const overtaken: Reconciled = { kind: 'open', detail: 'another controller decided first' };

export function createLoop(parts: LoopParts): Loop {
  const { policy, reader, prober, drivers, database, clock, telemetry, log } = parts;
  let models: Map<string, ModelState> | undefined;
  const keeper = modelStateKeeper(database);
  let gauges: GaugeStates = new Map();
  let failing: ReadonlyMap<string, string> = new Map();
  let probed: ProbeMemory = new Map();
  const looks = createFreshLooks(policy, prober);
  /** By route, the target that is being looked at before the route may move to it. */
  const lookingAt = new Map<string, string>();
  let ending = false;
  const decisions = decisionKeeper(database, policy.detection.tickMs);
  let ground: Ground | undefined;
  const gateways = createGateways({ drivers, database, clock, log });
  let followed: ReadonlyMap<string, Followed> = new Map();
  let status: Status = {
    at: 0,
    problem: 'the first assessment is under way',
    assessments: new Map(),
    routes: new Map(),
  };
  let snapshotAt = 0;
  let tail: Promise<unknown> = Promise.resolve();

  const loop: Loop = {
    status: () => status,
    tick: () => loop.exclusively(round),
    run,
    exclusively(work) {
      const result = tail.then(work);
      tail = result.catch(() => undefined);
      return result;
    },
    commit,
    plan: (route, state) => ground && planOn(ground, route, state),
    refresh,
    lookFirst: async model => {
      if (looks.isDue(model, clock.now())) await looks.look(model);
    },
    decidedAt: decisions.at,
  };
  return loop;

  async function run(signal: AbortSignal): Promise<void> {
    const { tickMs } = policy.detection;
    while (!signal.aborted) {
      await loop.tick().catch(broken);
      const untilNext = tickMs - (clock.now() % tickMs);
      await clock.sleep(untilNext, signal).catch(() => undefined);
    }
    ending = true;
    await tail;
    await saveAll().catch(error =>
      log.warn({ error: messageOf(error) }, 'evidence or decisions were not kept'),
    );
  }

  async function saveAll(): Promise<void> {
    if (models && status.at > 0) await keeper.keepAll(models, status.at);
    await decisions.keepAll();
  }

  /** What was known stays visible, beside the reason why nothing newer is. */
  function broken(error: unknown): void {
    const problem = `the round failed, so nothing is decided: ${messageOf(error)}`;
    if (status.problem !== problem) log.error({ error: messageOf(error) }, 'the round failed');
    status = { ...status, problem };
  }

  async function round(): Promise<void> {
    const begun = performance.now();
    // In this order: what was read but then not assessed, because the database did not answer, would be lost.
    const states = await routeStates();
    const open = await loadOpenProposals(database);
    const left = await modelsLeftSince(database, clock.now() - policy.switching.withinMs);
    models ??= await remember();
    const read = await reader.read(policy, clock.now() - policy.detection.ingestionLagMs);
    const readings = withProbes(read, prober.results(), probed);
    probed = new Map(prober.results());
    tellFailures(readings);
    const assessed = withGauges(assessModels(policy, models, readings, states), gauges, { policy, readings });
    gauges = assessed.states;
    const assessments =
      readings.problem === undefined
        ? judgeWithoutRequests(assessed.assessments, {
            probes: prober.results(),
            routes: states,
            at: readings.at,
            rule: policy.detection.hardDown,
          })
        : assessed.assessments;
    const incident = incidentOf(assessments, policy.incidents);
    ground = { readings, assessments, left: new Set(left), ...(incident && { incident }) };
    const routes = new Map<string, RouteStatus>();
    for (const route of Object.values(policy.routes)) {
      const state = states.get(route.name);
      if (state) routes.set(route.name, await decideAndApply(ground, route, state, open.get(route.name)));
    }
    status = {
      at: readings.at,
      assessments,
      routes: withTraffic(routes, readings),
      ...(incident && { incident }),
      ...(readings.problem !== undefined && { problem: readings.problem }),
    };
    await keepHistory(readings).catch(error =>
      log.warn({ error: messageOf(error) }, 'metrics or evidence were not kept'),
    );
    telemetry.ticked((performance.now() - begun) / 1000);
  }

  /** What the requests of this tick say of the shares that the gateways say they hold. */
  function withTraffic(
    routes: ReadonlyMap<string, RouteStatus>,
    readings: Readings,
  ): ReadonlyMap<string, RouteStatus> {
    const statuses = [...routes];
    const states = new Map(statuses.map(([name, { state }]) => [name, state]));
    const held = new Map(statuses.map(([name, { gateway }]) => [name, gateway]));
    followed = confirmRoutes(followed, { policy, states, gateways: held, readings });
    return new Map(
      statuses.map(([name, route]) => {
        const traffic = followed.get(name)?.confirmation;
        return [name, traffic ? { ...route, traffic } : route];
      }),
    );
  }

  /** A signal that the policy adds, or a resource, that cannot be read is told once, not each tick. */
  function tellFailures({ failures = new Map() }: Readings): void {
    for (const [signal, reason] of failures)
      if (!failing.has(signal))
        log.warn({ signal, reason }, 'a signal or resource of the policy cannot be read');
    failing = failures;
  }

  async function remember(): Promise<Map<string, ModelState>> {
    await decisions.load();
    return loadModelStates<ModelState>(database, clock.now());
  }

  /** The desired states as committed. A route seen for the first time takes over what its gateway does now. */
  async function routeStates(): Promise<ReadonlyMap<string, RouteState>> {
    const known = await loadRouteStates(database);
    const unseen = Object.values(policy.routes).filter(route => !known.has(route.name));
    if (unseen.length === 0) return known;
    for (const route of unseen) await takeOver(route);
    return loadRouteStates(database);
  }

  /** Until the gateway has said what it does, the route is not touched: a guess could undo somebody's switch. */
  async function takeOver(route: Route): Promise<void> {
    try {
      const held = await gateways.read(route.name);
      await insertRouteState(database, firstState(route, held, clock.now()));
      log.info({ route: route.name, ...held }, 'route taken over from its gateway');
    } catch (error) {
      log.warn(
        { route: route.name, error: messageOf(error) },
        'the gateway does not say what it does; route not taken over yet',
      );
    }
  }

  function planOn(ground: Ground, route: Route, state: RouteState): Plan {
    const allOrNothing = !drivers.get(route.name)!.capabilities().weights;
    const probes = prober.results();
    return planRoute(policy, ground, { route, state, probes, allOrNothing, at: clock.now() });
  }

  async function decideAndApply(
    ground: Ground,
    route: Route,
    state: RouteState,
    open: Proposal | undefined,
    justLookedAt?: string,
  ): Promise<RouteStatus> {
    const plan = lookingFirst(planOn(ground, route, state), route, state, justLookedAt);
    const { decision, change } = plan;
    const now = clock.now();
    const since = decisions.note(state, decision, now);
    if (change && route.mode === 'auto') {
      const gateway = await commit(change.next, change.event);
      if (gateway === 'lost') return { state, decision, since, gateway: overtaken };
      if (isLeaving(decision)) ground.left.add(change.event.from);
      return { state: change.next, decision, since, gateway };
    }
    const following = { route, state, plan, decision, since, now, open };
    const proposal = await followProposal({ database, log }, following);
    const seen = await gateways.look(route, state);
    if (seen.kind === 'changed') return { decision, since, ...(await answer(route, state, seen)) };
    return { state, decision, since, gateway: seen, ...(proposal && { proposal }) };
  }

  async function answer(
    route: Route,
    state: RouteState,
    { held }: ChangedByHand,
  ): Promise<Pick<RouteStatus, 'state' | 'gateway'>> {
    const now = clock.now();
    if (state.generation > 0 && now - state.updatedAt < answerEveryMs)
      return { state, gateway: gateways.last(route.name)! };
    const { kind, next, event } = answerTo({ route, state, now }, held);
    if (!(await commitOnly(next, event, state.generation))) return { state, gateway: overtaken };
    const isDone = kind === 'adopt' && isLeftAlone(route);
    return { state: next, gateway: isDone ? await gateways.follows(next) : await tell(next, event.reason) };
  }

  /** The plan, unless it moves the route to a target that was not looked at lately: then this comes first. */
  function lookingFirst(plan: Plan, route: Route, state: RouteState, justLookedAt?: string): Plan {
    const target = route.mode === 'auto' ? newTarget(plan, state.weights) : undefined;
    const at = clock.now();
    if (target === undefined || target === justLookedAt || !looks.isDue(target, at)) return plan;
    if (lookingAt.get(route.name) !== target) void lookThenDecide(route, target);
    return untilLookedAt(plan, prober.results().get(target), at);
  }

  /** Beside the rounds, so that the other routes wait for nothing. */
  async function lookThenDecide(route: Route, target: string): Promise<void> {
    lookingAt.set(route.name, target);
    const complain = (error: unknown) =>
      log.warn({ route: route.name, target, error: messageOf(error) }, 'a look before a switch went wrong');
    await looks.look(target).catch(complain);
    if (lookingAt.get(route.name) === target) lookingAt.delete(route.name);
    await loop.exclusively(() => decideAgain(route, target)).catch(complain);
  }

  async function decideAgain(route: Route, justLookedAt: string): Promise<void> {
    const state = ending ? undefined : (await loadRouteStates(database)).get(route.name);
    if (!ground || !state) return;
    const open = (await loadOpenProposals(database)).get(route.name);
    const decided = await decideAndApply(ground, route, state, open, justLookedAt);
    status = { ...status, routes: new Map([...status.routes, [route.name, decided]]) };
  }

  async function refresh(names: readonly string[]): Promise<void> {
    const states = await loadRouteStates(database);
    const open = await loadOpenProposals(database);
    const routes = new Map(status.routes);
    for (const name of names) {
      const [state, before, proposal] = [states.get(name), routes.get(name), open.get(name)];
      if (!ground || !state || !before) continue;
      const { decision } = planOn(ground, policy.routes[name]!, state);
      const since = decisions.note(state, decision, clock.now());
      const gateway = gateways.last(name) ?? before.gateway;
      const traffic = state.generation === before.state.generation ? before.traffic : undefined;
      routes.set(name, {
        state,
        decision,
        since,
        gateway,
        ...(proposal && { proposal }),
        ...(traffic && { traffic }),
      });
    }
    status = { ...status, routes };
  }

  /** Desired state and event first, in one transaction; the world changes after. */
  async function commit(
    next: RouteState,
    event: NewSwitchEvent,
    also?: Parameters<typeof commitChange>[3],
  ): Promise<Reconciled | 'lost'> {
    return (await commitOnly(next, event, next.generation - 1, also)) ? tell(next, event.reason) : 'lost';
  }

  async function commitOnly(
    next: RouteState,
    event: NewSwitchEvent,
    before: number,
    also?: Parameters<typeof commitChange>[3],
  ): Promise<boolean> {
    const { route, kind, from, to, generation, reason } = event;
    if (!(await commitChange(database, next, event, also, before))) {
      log.warn({ route, generation }, 'another controller decided first; reading again');
      return false;
    }
    log.info({ route, kind, from, to, generation }, reason);
    telemetry.switched(event);
    return true;
  }

  async function tell(state: RouteState, reason: string): Promise<Reconciled> {
    const begun = performance.now();
    const result = await gateways.tell(state, reason);
    telemetry.applied(state.route, (performance.now() - begun) / 1000);
    return result;
  }

  /** Nothing is decided by these, so a database that refuses them stops nothing. */
  async function keepHistory({ at, problem }: Readings): Promise<void> {
    if (problem === undefined && at - snapshotAt >= snapshotEveryMs) {
      snapshotAt = at;
      await insertMetricSnapshots(database, [...status.assessments.values()], at);
    }
    if (models && at > 0) await keeper.keep(models, at);
    await decisions.keep(clock.now());
  }
}

function firstState(route: Route, held: GatewayState, now: number): RouteState {
  const targets = route.targets;
  const weights = Object.keys(held.weights).length > 0 ? held.weights : allTo(targets[0], targets);
  const to = serving(weights);
  const cause: Cause = { signal: 'manual', reason: `${to} served when the route was taken over` };
  return {
    route: route.name,
    generation: held.generation ?? 0,
    weights,
    phase:
      to === targets[0] ? { kind: 'primary', since: now } : { kind: 'failed_over', to, since: now, cause },
    backoff: { level: 0 },
    updatedAt: now,
  };
}
