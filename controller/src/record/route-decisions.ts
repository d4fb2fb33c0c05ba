import { type Decision, isChange, type RouteState, serving } from '../types.ts';
import type { Database } from './database.ts';

/** A stretch of time in which a route's decision stayed the same; the numbers in it may have changed. */
export interface DecisionStretch {
  readonly route: string;
  readonly begunAt: number;
  /** When it was last decided. */
  readonly until: number;
  readonly generation: number;
  readonly serving: string;
  readonly kind: Decision['kind'];
  readonly reason: Decision['reason'];
  /** Where a change would lead. */
  readonly target?: string;
  readonly first: Decision;
  /** The last decision of it; stored once it is over, and absent when the controller ended without a word. */
  readonly last?: Decision;
}

/** After a longer pause than this the controller was away: nothing was decided in between. */
export const longestPauseMs = 120_000;

/** What is not stored yet is stored once in this time; a crash loses no more. */
const everyMs = 30_000;
/** As many as one statement takes without holding up a tick; the rest takes its turn with the next. */
const stretchesATurn = 2000;

/** What is decided over time: in memory between the turns in which it is stored. */
export interface DecisionKeeper {
  /** Takes up the stretches of a controller that ended a moment ago. */
  load(): Promise<void>;
  /** Returns since when this is decided without a break. */
  note(state: RouteState, decision: Decision, at: number): number;
  /** Stores the next turn when one is due. */
  keep(at: number): Promise<void>;
  keepAll(): Promise<void>;
  /** The stretch that a time belongs to: the last one that began until then. */
  at(route: string, at: number): Promise<DecisionStretch | undefined>;
}

interface Kept extends DecisionStretch {
  until: number;
  last: Decision;
  isOver: boolean;
  isStored: boolean;
}

export function decisionKeeper(database: Database): DecisionKeeper {
  const current = new Map<string, Kept>();
  let over: Kept[] = [];
  let left: Kept[] = [];
  let turnsAt = Number.NEGATIVE_INFINITY;

  async function turn(): Promise<void> {
    const some = left.slice(0, stretchesATurn);
    await store(database, some);
    left = left.slice(stretchesATurn);
  }

  function beginTurns(): void {
    left = [...over, ...current.values()];
    over = [];
  }

  return {
    async load() {
      for (const stretch of await latestStretches(database))
        current.set(stretch.route, {
          ...stretch,
          last: stretch.last ?? stretch.first,
          isOver: false,
          isStored: true,
        });
    },
    note(state, decision, at) {
      const before = current.get(state.route);
      const next = stretchOf(state, decision, at);
      if (before && isSame(before, next) && at - before.until <= longestPauseMs) {
        Object.assign(before, { until: Math.max(at, before.until), last: decision });
        return before.begunAt;
      }
      // One that lasted no time at all is none.
      if (before && before.begunAt < at) over.push(Object.assign(before, { isOver: true }));
      current.set(state.route, { ...next, last: decision, isOver: false, isStored: false });
      return at;
    },
    async keep(at) {
      if (left.length === 0) {
        if (at - turnsAt < everyMs) return;
        turnsAt = at;
        beginTurns();
      }
      await turn();
    },
    async keepAll() {
      while (left.length > 0) await turn();
      beginTurns();
      while (left.length > 0) await turn();
    },
    async at(route, at) {
      const inMemory = [...left, ...over, ...current.values()].filter(
        stretch => stretch.route === route && stretch.begunAt <= at,
      );
      const stored = await stretchAt(database, route, at);
      return [...(stored ? [stored] : []), ...inMemory].reduce<DecisionStretch | undefined>(
        (latest, stretch) => (latest && latest.begunAt > stretch.begunAt ? latest : stretch),
        undefined,
      );
    },
  };
}

function stretchOf(
  { route, generation, weights }: RouteState,
  decision: Decision,
  at: number,
): DecisionStretch {
  const { kind, reason } = decision;
  return {
    route,
    begunAt: at,
    until: at,
    generation,
    serving: serving(weights),
    kind,
    reason,
    ...(isChange(decision) && { target: decision.to }),
    first: decision,
  };
}

const isSame = (one: DecisionStretch, other: DecisionStretch) =>
  (['generation', 'serving', 'kind', 'reason', 'target'] as const).every(key => one[key] === other[key]);

/** Two statements, however many: those that are new, and those that have grown or ended. */
async function store(database: Database, stretches: readonly Kept[]): Promise<void> {
  const fresh = stretches.filter(({ isStored }) => !isStored);
  const known = stretches.filter(({ isStored }) => isStored);
  if (fresh.length > 0) await insert(database, fresh);
  for (const stretch of fresh) stretch.isStored = true;
  if (known.length > 0) await extend(database, known);
}

async function insert(database: Database, stretches: readonly Kept[]): Promise<void> {
  await database.query(
    `INSERT INTO relaycore.route_decisions
       (route, begun_at, until_at, generation, serving, kind, reason, target, first, last)
     SELECT route, begun_at, until_at, generation, serving, kind, reason, target, first, last
     FROM jsonb_to_recordset($1::jsonb) AS row (
       route text, begun_at timestamptz, until_at timestamptz, generation integer, serving text, kind text,
       reason text, target text, first jsonb, last jsonb)
     ON CONFLICT (route, begun_at) DO UPDATE SET
       until_at = EXCLUDED.until_at, generation = EXCLUDED.generation, serving = EXCLUDED.serving,
       kind = EXCLUDED.kind, reason = EXCLUDED.reason, target = EXCLUDED.target, first = EXCLUDED.first,
       last = EXCLUDED.last`,
    [
      JSON.stringify(
        stretches.map(stretch => ({
          ...growthOf(stretch),
          generation: stretch.generation,
          serving: stretch.serving,
          kind: stretch.kind,
          reason: stretch.reason,
          target: stretch.target ?? null,
          first: stretch.first,
        })),
      ),
    ],
  );
}

async function extend(database: Database, stretches: readonly Kept[]): Promise<void> {
  await database.query(
    `UPDATE relaycore.route_decisions AS kept SET until_at = row.until_at, last = COALESCE(row.last, kept.last)
     FROM jsonb_to_recordset($1::jsonb) AS row (route text, begun_at timestamptz, until_at timestamptz, last jsonb)
     WHERE kept.route = row.route AND kept.begun_at = row.begun_at`,
    [JSON.stringify(stretches.map(growthOf))],
  );
}

/** The decision at its end goes along only when it is over: until then every turn would rewrite it. */
const growthOf = ({ route, begunAt, until, last, isOver }: Kept) => ({
  route,
  begun_at: new Date(begunAt),
  until_at: new Date(until),
  last: isOver ? last : null,
});

async function latestStretches(database: Database): Promise<readonly DecisionStretch[]> {
  const rows = await database.query<Row>(
    `SELECT latest.* FROM relaycore.route_states AS state CROSS JOIN LATERAL (
       SELECT * FROM relaycore.route_decisions WHERE route = state.route ORDER BY begun_at DESC LIMIT 1) AS latest`,
  );
  return rows.map(stretchFrom);
}

async function stretchAt(
  database: Database,
  route: string,
  at: number,
): Promise<DecisionStretch | undefined> {
  const rows = await database.query<Row>(
    `SELECT * FROM relaycore.route_decisions WHERE route = $1 AND begun_at <= $2
     ORDER BY begun_at DESC LIMIT 1`,
    [route, new Date(at)],
  );
  return rows.map(stretchFrom)[0];
}

interface Row {
  route: string;
  begun_at: Date;
  until_at: Date;
  generation: number;
  serving: string;
  kind: Decision['kind'];
  reason: Decision['reason'];
  target: string | null;
  first: Decision;
  last: Decision | null;
}

const stretchFrom = (row: Row): DecisionStretch => ({
  route: row.route,
  begunAt: row.begun_at.getTime(),
  until: row.until_at.getTime(),
  generation: row.generation,
  serving: row.serving,
  kind: row.kind,
  reason: row.reason,
  ...(row.target !== null && { target: row.target }),
  first: row.first,
  ...(row.last && { last: row.last }),
});
