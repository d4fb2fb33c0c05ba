import type { RouteState } from '../types.ts';
import type { Database, Transaction } from './database.ts';
import { insertSwitchEvent, markRolledBack, type NewSwitchEvent } from './switch-events.ts';

interface Row {
  route: string;
  generation: number;
  weights: RouteState['weights'];
  phase: RouteState['phase'];
  backoff: RouteState['backoff'];
  override: RouteState['override'] | null;
  updated_at: Date;
}

/** The desired state of every route, by name. */
export async function loadRouteStates(database: Database): Promise<ReadonlyMap<string, RouteState>> {
  const rows = await database.query<Row>(
    'SELECT route, generation, weights, phase, backoff, override, updated_at FROM relaycore.route_states',
  );
  return new Map(rows.map(row => [row.route, stateOf(row)]));
}

const stateOf = ({ route, generation, weights, phase, backoff, override, updated_at }: Row): RouteState => ({
  route,
  generation,
  weights,
  phase,
  backoff,
  ...(override && { override }),
  updatedAt: updated_at.getTime(),
});

/** The first state of a route; leaves one that exists alone. */
export async function insertRouteState(database: Database, state: RouteState): Promise<void> {
  await database.query(
    `INSERT INTO relaycore.route_states (route, generation, weights, phase, backoff, override, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (route) DO NOTHING`,
    valuesOf(state),
  );
}

/**
 * Commits a desired state and its event together, before anything outside changes. Returns false, and writes nothing,
 * when somebody else has decided since `state.generation - 1` was read: then read again, never act. `also` is written
 * in the same transaction.
 */
export async function commitChange(
  database: Database,
  state: RouteState,
  event: NewSwitchEvent,
  also: (transaction: Transaction) => Promise<void> = async () => undefined,
): Promise<boolean> {
  return database.transaction(async transaction => {
    if (!(await replace(transaction, state))) return false;
    await insertSwitchEvent(transaction, event);
    if (state.phase.kind === 'primary')
      await markRolledBack(transaction, state.route, state.updatedAt, state.generation);
    await also(transaction);
    return true;
  });
}

async function replace(transaction: Transaction, state: RouteState): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE relaycore.route_states
     SET generation = $2, weights = $3, phase = $4, backoff = $5, override = $6, updated_at = $7
     WHERE route = $1 AND generation = $2 - 1 RETURNING route`,
    valuesOf(state),
  );
  return rows.length === 1;
}

const valuesOf = (state: RouteState) => [
  state.route,
  state.generation,
  JSON.stringify(state.weights),
  JSON.stringify(state.phase),
  JSON.stringify(state.backoff),
  state.override ? JSON.stringify(state.override) : null,
  new Date(state.updatedAt),
];
