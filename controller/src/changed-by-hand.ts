import type { Route } from '@relaycore/rules';
import type { GatewayState } from './apply/driver.ts';
import { fullWeight } from './decide/weights.ts';
import { controllerActor, type NewSwitchEvent } from './record/switch-events.ts';
import { type Phase, type RouteState, serving, type Weights } from './types.ts';

/*
 * Somebody changed a gateway past the controller. What was set is adopted, as a switch by a person would be, or what was
 * told is restored; either is a change like any other, beyond the generation that the gateway holds.
 */

/** Nothing moves the gateway but other people's hands: what it does is followed, and it is not told what it does. */
export const isLeftAlone = ({ changedByHand, mode }: Route) =>
  changedByHand === 'adopt' && (mode === 'observe' || mode === 'advise');

export interface Answer {
  readonly next: RouteState;
  readonly event: NewSwitchEvent;
  readonly kind: 'adopt' | 'restore';
}

/** Who is named for what was set at the gateway: nobody says more. */
const gatewayActor = 'gateway';

export function answerTo(
  { route, state, now }: { readonly route: Route; readonly state: RouteState; readonly now: number },
  held: GatewayState,
): Answer {
  const generation = Math.max(state.generation, held.generation ?? 0) + 1;
  // Until something was decided here, there is nothing to restore.
  const mayAdopt = route.changedByHand === 'adopt' || state.generation === 0;
  const isAdopted = mayAdopt && !isUnderHand(state, now) && isRoutable(held.weights, route.targets);
  const { override, ...standing } = state;
  const next: RouteState = isAdopted
    ? {
        ...standing,
        generation,
        weights: complete(held.weights, route),
        phase: phaseOf(held, route, now),
        updatedAt: now,
      }
    : { ...standing, ...(override && { override }), generation, updatedAt: now };
  const kind = isAdopted ? 'adopt' : 'restore';
  return { kind, next, event: eventOf(kind, state, next, held, now) };
}

/** A pin and a freeze say what the traffic has to be; nobody meant to lift them by the way. */
const isUnderHand = ({ override, freeze }: RouteState, now: number) =>
  [override, freeze].some(hand => hand !== undefined && now < hand.expiresAt);

/** The route's own targets, and all of the traffic. */
function isRoutable(weights: Weights, targets: readonly string[]): boolean {
  const entries = Object.entries(weights).filter(([, weight]) => weight > 0);
  const sum = entries.reduce((total, [, weight]) => total + weight, 0);
  return sum === fullWeight && entries.every(([model]) => targets.includes(model));
}

const complete = (weights: Weights, { targets }: Route): Weights =>
  Object.fromEntries(targets.map(target => [target, weights[target] ?? 0]));

function phaseOf({ weights }: GatewayState, { targets }: Route, now: number): Phase {
  const [primary] = targets;
  if (weights[primary] === fullWeight) return { kind: 'primary', since: now };
  const { [primary]: _kept, ...backups } = weights;
  const cause = { signal: 'manual', reason: 'it was set at the gateway' } as const;
  return { kind: 'failed_over', to: serving(backups), since: now, cause };
}

function eventOf(
  kind: Answer['kind'],
  before: RouteState,
  after: RouteState,
  held: GatewayState,
  now: number,
): NewSwitchEvent {
  const set = JSON.stringify(held.weights);
  const words =
    kind === 'adopt'
      ? `somebody set ${set} at the gateway, and that is kept`
      : `somebody set ${set} at the gateway; what was decided is told again`;
  return {
    route: after.route,
    generation: after.generation,
    kind,
    from: serving(kind === 'adopt' ? before.weights : held.weights),
    to: serving(after.weights),
    reason: words,
    actor: kind === 'adopt' ? gatewayActor : controllerActor,
    weights: after.weights,
    at: now,
    decision: {
      kind,
      words,
      held,
      generation: { before: before.generation, after: after.generation },
      phase: { before: before.phase, after: after.phase },
      weights: { before: before.weights, after: after.weights },
    },
  };
}
