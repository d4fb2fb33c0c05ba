import type { Level, Policy, Route } from '@relaycore/rules';
import type { ModelState } from '../../controller/src/assess/assess.ts';
import { incidentOf } from '../../controller/src/assess/incident.ts';
import { assessModels } from '../../controller/src/assess/models.ts';
import { judgeWithoutRequests } from '../../controller/src/assess/without-requests.ts';
import { decide } from '../../controller/src/decide/decide.ts';
import { allTo } from '../../controller/src/decide/weights.ts';
import { probeResult } from '../../controller/src/read/probe-result.ts';
import {
  type Assessment,
  type Decision,
  isChange,
  type ProbeResult,
  type RouteState,
  type SignalReadings,
  serving,
} from '../../controller/src/types.ts';
import { type Alarm, alarmOf, type DetectorName, ours, type Watched, windowed } from './detectors.ts';

/** Whoever watches the targets of a scenario and, where there are backups, moves the traffic. */
export interface Operator {
  /** Shares of the targets in the next tick; they sum to 1. */
  shares(): readonly number[];
  /** @param probesPass whether each target answers a probe now */
  tick(at: number, readings: readonly SignalReadings[], probesPass: readonly boolean[]): Seen;
}

export interface Seen {
  /** About the primary. */
  readonly alarm: Alarm;
  /** Most of the traffic moved from one target to another. */
  readonly moved?: { readonly from: number; readonly to: number };
  /** What the controller knew and did, where it is the one that decides. */
  readonly assessments?: ReadonlyMap<string, Assessment>;
  readonly decision?: Decision;
}

export interface OperatorOptions {
  readonly detector: DetectorName;
  readonly policy: Policy;
  readonly level: Level;
  readonly targets: readonly Watched[];
  readonly startAt: number;
}

export function operatorOf(options: OperatorOptions): Operator {
  const { detector, targets } = options;
  if (targets.length === 1) return watching(options);
  return detector === 'ours' ? deciding(options) : rotating(options, detector);
}

/** No backups: detection only. */
function watching({ detector, targets }: OperatorOptions): Operator {
  const target = targets[0]!;
  const shares = () => [1];
  if (detector === 'ours') {
    const alarm = ours(target);
    return { shares, tick: (at, readings) => ({ alarm: alarm(at, readings[0]!) }) };
  }
  const window = windowed(detector, target);
  return { shares, tick: (_, readings) => ({ alarm: window.tick(readings[0]!) }) };
}

/** The controller's rounds, as its loop goes through them; a change takes effect with the next tick. */
function deciding({ policy, targets, startAt }: OperatorOptions): Operator {
  const names = targets.map(({ model }) => model);
  const memory = new Map<string, ModelState>();
  const route = policy.routes.simulated!;
  const freshMs = policy.probes.intervalMs * 3 + policy.probes.timeoutMs;
  const probe = probing(policy, names);
  let state = firstState(route, startAt);
  let shares = names.map(name => state.weights[name]! / 10_000);

  return {
    shares: () => shares,
    tick(at, readings, probesPass) {
      const models = new Map(names.map((name, i) => [name, readings[i]!]));
      const probes = probe(at, probesPass);
      const routes = new Map([[route.name, state]]);
      const assessed = assessModels(policy, memory, { models, at }, routes);
      const rule = policy.detection.hardDown;
      const assessments = judgeWithoutRequests(assessed, { probes, routes, at, rule });
      const incident = incidentOf(assessments, policy.incidents);
      const held = incident && policy.incidents.holdSwitches && { incident };
      const decision = decide({ route, state, assessments, probes, ...held, now: at, freshMs });
      const moved = move(decision, at);
      const alarm = alarmOf(assessments.get(names[0]!)!, memory.get(names[0]!)!);
      return { alarm, assessments, decision, ...(moved && { moved }) };
    },
  };

  function move(decision: Decision, at: number): Seen['moved'] {
    if (!isChange(decision)) return undefined;
    const before = serving(state.weights);
    state = { route: state.route, generation: state.generation + 1, ...decision.next, updatedAt: at };
    shares = names.map(name => state.weights[name]! / 10_000);
    const after = serving(state.weights);
    return before === after ? undefined : { from: names.indexOf(before), to: names.indexOf(after) };
  }
}

function firstState({ name, targets }: Route, at: number): RouteState {
  return {
    route: name,
    generation: 0,
    weights: allTo(targets[0], targets),
    phase: { kind: 'primary', since: at },
    backoff: { level: 0 },
    updatedAt: at,
  };
}

/** Probes of every target on their schedule. */
function probing(
  policy: Policy,
  names: readonly string[],
): (at: number, pass: readonly boolean[]) => ReadonlyMap<string, ProbeResult> {
  const results = new Map<string, ProbeResult>();
  let probedAt = Number.NEGATIVE_INFINITY;
  return (at, pass) => {
    if (at - probedAt < policy.probes.intervalMs) return results;
    probedAt = at;
    for (const [i, name] of names.entries())
      results.set(
        name,
        probeResult(results.get(name), at, pass[i] ? { durationMs: 1 } : { failure: 'refused' }),
      );
    return results;
  };
}

const cooldownMs = 900_000;

/** What is built without a controller: leave on the alarm for the next target, come back when a cooldown is over. */
function rotating(
  { policy, level, targets }: OperatorOptions,
  detector: Exclude<DetectorName, 'ours'>,
): Operator {
  const watched = targets.map(target => windowed(detector, { ...target, policy }));
  let current = 0;
  let movedAt = Number.NEGATIVE_INFINITY;
  return {
    shares: () => targets.map((_, i) => Number(i === current)),
    tick(at, readings) {
      const alarms = watched.map((one, i) => one.tick(readings[i]!));
      const cooling = at - movedAt < cooldownMs;
      const from = current;
      if (!cooling && from > 0) current = 0;
      else if (!cooling && alarms[from]!.stands[level]) current = (from + 1) % targets.length;
      if (current === from) return { alarm: alarms[0]! };
      movedAt = at;
      return { alarm: alarms[0]!, moved: { from, to: current } };
    },
  };
}
