import type { Freeze, RouteState } from '../types.ts';
import type { Database, Transaction } from './database.ts';
import { supersedeProposals } from './proposals.ts';
import { insertSwitchEvent, markRolledBack, type NewSwitchEvent } from './switch-events.ts';

interface Row {
  route: string;
  generation: number;
  weights: RouteState['weights'];
  phase: RouteState['phase'];
  backoff: RouteState['backoff'];
  override: RouteState['override'] | null;
  frozen: RouteState['freeze'] | null;
  updated_at: Date;
}

/** The desired state of every route, by name. */
export async function loadRouteStates(database: Database): Promise<ReadonlyMap<string, RouteState>> {
  const rows = await database.query<Row>(
    'SELECT route, generation, weights, phase, backoff, override, frozen, updated_at FROM relaycore.route_states',
  );
  return new Map(rows.map(row => [row.route, stateOf(row)]));
}

const stateOf = ({ override, frozen, updated_at, ...row }: Row): RouteState => ({
  ...row,
  ...(override && { override }),
  ...(frozen && { freeze: frozen }),
  updatedAt: updated_at.getTime(),
});

/** The first state of a route; leaves one that exists alone. */
export async function insertRouteState(database: Database, state: RouteState): Promise<void> {
  await database.query(
    `INSERT INTO relaycore.route_states (route, generation, weights, phase, backoff, override, updated_at, frozen)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (route) DO NOTHING`,
    valuesOf(state),
  );
}

/**
 * Commits a desired state and its event together, before anything outside changes. Returns false, and writes nothing,
 * when somebody else has decided since the generation `before` was read, or has frozen or thawed the route: then read
 * again, never act. `also` is written in the same transaction. What was proposed on an earlier generation is superseded.
 */
export async function commitChange(
  database: Database,
  state: RouteState,
  event: NewSwitchEvent,
  also: (transaction: Transaction) => Promise<void> = async () => undefined,
  before = state.generation - 1,
): Promise<boolean> {
  return database.transaction(async transaction => {
    if (!(await replace(transaction, state, before))) return false;
    await insertSwitchEvent(transaction, event);
    if (state.phase.kind === 'primary')
      await markRolledBack(transaction, state.route, state.updatedAt, state.generation);
    await also(transaction);
    await supersedeProposals(transaction, state.route, event.at);
    return true;
  });
}

/** Route and generation of those whose freeze was set or lifted. */
export type Touched = Pick<RouteState, 'route' | 'generation'>;

/** Freezes many routes at once, whatever is decided about them meanwhile; one that is frozen for longer stays so. */
export async function freezeRoutes(
  transaction: Transaction,
  routes: readonly string[],
  freeze: Freeze,
): Promise<readonly Touched[]> {
  return transaction.query<Touched>(
    `UPDATE relaycore.route_states AS state SET frozen = $2
     FROM (${lockedInOrder}) AS locked WHERE state.route = locked.route
       AND COALESCE((state.frozen ->> 'expiresAt')::float8, 0) < $3
     RETURNING state.route, state.generation`,
    [routes, JSON.stringify(freeze), freeze.expiresAt],
  );
}

/** Lifts every freeze on these routes that has not run out. */
export async function unfreezeRoutes(
  transaction: Transaction,
  routes: readonly string[],
  now: number,
): Promise<readonly Touched[]> {
  return transaction.query<Touched>(
    `UPDATE relaycore.route_states AS state SET frozen = NULL
     FROM (${lockedInOrder}) AS locked WHERE state.route = locked.route
       AND (state.frozen ->> 'expiresAt')::float8 > $2
     RETURNING state.route, state.generation`,
    [routes, now],
  );
}

/** In one order, whoever locks them: two at once would wait for each other otherwise. */
const lockedInOrder =
  'SELECT route FROM relaycore.route_states WHERE route = ANY($1) ORDER BY route FOR UPDATE';

async function replace(transaction: Transaction, state: RouteState, before: number): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE relaycore.route_states
     SET generation = $2, weights = $3, phase = $4, backoff = $5, override = $6, updated_at = $7
     WHERE route = $1 AND generation = $9 AND frozen IS NOT DISTINCT FROM $8::jsonb RETURNING route`,
    [...valuesOf(state), before],
  );
  return rows.length === 1;
}

/**
 * Puts a person's hand on a route, or takes it off: the traffic, and so the generation, stays. Returns false, and writes
 * nothing, when the route is no longer as `before` was read.
 */
export async function changeHand(
  transaction: Transaction,
  before: RouteState,
  { override, freeze }: Pick<RouteState, 'override' | 'freeze'>,
): Promise<boolean> {
  const rows = await transaction.query(
    `UPDATE relaycore.route_states SET override = $5, frozen = $6
     WHERE route = $1 AND generation = $2
       AND override IS NOT DISTINCT FROM $3::jsonb AND frozen IS NOT DISTINCT FROM $4::jsonb RETURNING route`,
    [before.route, before.generation, ...[before.override, before.freeze, override, freeze].map(jsonOrNull)],
  );
  return rows.length === 1;
}

const valuesOf = (state: RouteState) => [
  state.route,
  state.generation,
  JSON.stringify(state.weights),
  JSON.stringify(state.phase),
  JSON.stringify(state.backoff),
  jsonOrNull(state.override),
  new Date(state.updatedAt),
  jsonOrNull(state.freeze),
];

const jsonOrNull = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
