import type { Database } from './database.ts';

/** Version of the detector's rules; evidence gathered under another one is not carried on. */
export const ruleVersion = 'sr-mixture-3';

/** Evidence older than this starts from nothing, which is always valid. */
const keepMs = 10 * 60_000;

/** A fleet is saved once in this time. */
const everyMs = 30_000;
/** A tenth of a second of work; a larger fleet takes turns, so that no tick waits for all of it. */
const modelsATurn = 2000;

export interface ModelStateKeeper {
  /** Saves the next turn when one is due. What is lost by a crash makes a verdict later, not wrong. */
  keep(states: ReadonlyMap<string, unknown>, at: number): Promise<void>;
  keepAll(states: ReadonlyMap<string, unknown>, at: number): Promise<void>;
}

export function modelStateKeeper(database: Database): ModelStateKeeper {
  let begunAt = Number.NEGATIVE_INFINITY;
  let left: string[] = [];

  async function turn(states: ReadonlyMap<string, unknown>, at: number): Promise<void> {
    const models = left.slice(0, modelsATurn).filter(model => states.has(model));
    left = left.slice(modelsATurn);
    await saveModelStates(database, new Map(models.map(model => [model, states.get(model)])), at);
  }

  return {
    async keep(states, at) {
      if (left.length === 0) {
        if (at - begunAt < everyMs) return;
        begunAt = at;
        left = [...states.keys()];
      }
      await turn(states, at);
    },
    async keepAll(states, at) {
      left = [...states.keys()];
      while (left.length > 0) await turn(states, at);
    },
  };
}

/** Evidence of many models in one statement, so that a turn costs the same round trip for one and for all. */
export async function saveModelStates(
  database: Database,
  states: ReadonlyMap<string, unknown>,
  at: number,
): Promise<void> {
  if (states.size === 0) return;
  const rows = [...states].map(([model_id, state]) => ({ model_id, state }));
  await database.query(
    `INSERT INTO relaycore.model_states (model_id, rule_version, state, evaluated_at)
     SELECT model_id, $2, state, $3::timestamptz FROM jsonb_to_recordset($1::jsonb) AS row (model_id text, state jsonb)
     ON CONFLICT (model_id) DO UPDATE SET
       rule_version = EXCLUDED.rule_version, state = EXCLUDED.state, evaluated_at = EXCLUDED.evaluated_at
     WHERE model_states.evaluated_at <= EXCLUDED.evaluated_at`,
    [JSON.stringify(rows), ruleVersion, new Date(at)],
  );
}

/** The evidence that still counts at `now`, by model; older rows are forgotten. */
export async function loadModelStates<State>(database: Database, now: number): Promise<Map<string, State>> {
  const oldest = new Date(now - keepMs);
  await database.query('DELETE FROM relaycore.model_states WHERE evaluated_at < $1 OR rule_version <> $2', [
    oldest,
    ruleVersion,
  ]);
  const rows = await database.query<{ model_id: string; state: unknown }>(
    'SELECT model_id, state FROM relaycore.model_states',
  );
  return new Map(rows.map(({ model_id, state }) => [model_id, state as State]));
}
