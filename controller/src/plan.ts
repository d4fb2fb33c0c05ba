import type { Policy, Route } from '@relaycore/rules';
import type { Incident } from './assess/incident.ts';
import { decide } from './decide/decide.ts';
import type { Lately } from './decide/situation.ts';
import { hold } from './decide/words.ts';
import { switchEvent } from './record/decision-record.ts';
import type { NewSwitchEvent } from './record/switch-events.ts';
import {
  type Assessment,
  type Change,
  type Decision,
  isChange,
  type ProbeResult,
  type Readings,
  type RouteState,
} from './types.ts';

/** What the decisions of a round rest on, besides the routes' own states. */
export interface Ground {
  readonly readings: Readings;
  readonly assessments: ReadonlyMap<string, Assessment>;
  readonly incident?: Incident;
  /** Models that automatic failovers left lately; grows as the round goes on. */
  readonly left: Set<string>;
}

/** A decision, and what would be committed if it is to be done. */
export interface Plan {
  readonly decision: Decision;
  readonly change?: { readonly next: RouteState; readonly event: NewSwitchEvent };
}

/** @param at the clock's time, for the record; decisions go by the time that was read */
export function planRoute(
  policy: Policy,
  ground: Ground,
  { route, state, probes, allOrNothing, at }: PlanInput,
): Plan {
  const { readings, assessments, incident } = ground;
  const decided = decide({
    route,
    state,
    assessments,
    probes,
    ...(incident && policy.incidents.holdSwitches && { incident }),
    // A person may move as much as they like.
    ...(route.mode === 'auto' && { lately: latelyOf(policy, ground.left) }),
    ...(readings.latencies && { latencies: readings.latencies }),
    allOrNothing,
    now: readings.at,
    freshMs: policy.probes.intervalMs * 3 + policy.probes.timeoutMs,
  });
  const decision = readings.problem === undefined ? decided : holdUnread(decided, readings.problem);
  if (!isChange(decision)) return { decision };
  const next = nextState(state, decision, readings.at);
  return { decision, change: { next, event: switchEvent(state, decision, readings, at) } };
}

export interface PlanInput {
  readonly route: Route;
  readonly state: RouteState;
  readonly probes: ReadonlyMap<string, ProbeResult>;
  /** The gateway of the route holds no shares. */
  readonly allOrNothing: boolean;
  readonly at: number;
}

/** What stood before still stands, but nobody sees what it is like now. */
const holdUnread = (decided: Decision, problem: string): Decision =>
  isChange(decided) ? hold('unknown', `nothing can be read: ${problem}; else ${decided.words}`) : decided;

/** What was moved lately, beside the policy's limit. */
export function latelyOf({ switching, models }: Policy, left: ReadonlySet<string>): Lately {
  const { maxSimultaneous, maxPercent, withinMs } = switching;
  const share = Math.floor((maxPercent / 100) * Object.keys(models).length);
  return { left, atMost: Math.max(maxSimultaneous, share), withinMs };
}

/** A pin that has run out is gone with the next change; a freeze stays until it is lifted or replaced. */
function nextState({ route, generation, freeze }: RouteState, { next }: Change, at: number): RouteState {
  return { route, generation: generation + 1, ...next, ...(freeze && { freeze }), updatedAt: at };
}
