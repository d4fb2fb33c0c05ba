import type { Database } from '../../controller/src/record/database.ts';
import type { NewSwitchEvent } from '../../controller/src/record/switch-events.ts';
import type { RouteState } from '../../controller/src/types.ts';

/* One good example of each record; a test names what it changes. */

export const eight = Date.parse('2026-11-02T08:00:00Z');

/** `mail-filter` on its primary since eight o'clock, at generation 0. */
export function routeState(given: Partial<RouteState> = {}): RouteState {
  return {
    route: 'mail-filter',
    generation: 0,
    weights: { 'spam-nb': 10_000, 'spam-lr': 0 },
    phase: { kind: 'primary', since: eight },
    backoff: { level: 0 },
    updatedAt: eight,
    ...given,
  };
}

/** The same route as its backup serves it. */
export function failedOver(given: Partial<RouteState> = {}): RouteState {
  const cause = { signal: 'success', reason: 'success 0.412 below 0.9' } as const;
  return routeState({
    weights: { 'spam-nb': 0, 'spam-lr': 10_000 },
    phase: { kind: 'failed_over', to: 'spam-lr', since: eight, cause },
    ...given,
  });
}

/** The event that belongs to a state. */
export function eventOf(state: RouteState, given: Partial<NewSwitchEvent> = {}): NewSwitchEvent {
  const { route, generation, weights, updatedAt } = state;
  return {
    route,
    generation,
    weights,
    kind: state.phase.kind === 'primary' ? 'failback' : 'failover',
    from: state.phase.kind === 'primary' ? 'spam-lr' : 'spam-nb',
    to: state.phase.kind === 'primary' ? 'spam-nb' : 'spam-lr',
    reason: 'success 0.412 below 0.9',
    actor: 'controller',
    decision: { kind: 'failover' },
    at: updatedAt,
    ...given,
  };
}

/** What must hold at any moment: generations 1, 2, … without a gap, and the state at the last of them. */
export async function keptGenerations(database: Database, route = 'mail-filter') {
  const events = await database.query<{ generation: number }>(
    'SELECT generation FROM relaycore.model_switch_events WHERE route = $1 ORDER BY generation',
    [route],
  );
  const [state] = await database.query<{ generation: number }>(
    'SELECT generation FROM relaycore.route_states WHERE route = $1',
    [route],
  );
  return { events: events.map(({ generation }) => generation), state: state?.generation };
}

/** 1, 2, … `last`. */
export const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
