import type { Database } from './database.ts';

/** Version of the detector's rules; evidence gathered under another one is not carried on. */
export const ruleVersion = 'sr-mixture-3';

/** Evidence older than this starts from nothing, which is always valid. */
const keepMs = 10 * 60_000;

/** Evidence of many models in one statement, so that a flush costs the same round trip for one and for all. */
export async function saveModelStates(
  database: Database,
  states: ReadonlyMap<string, unknown>,
  at: number,
): Promise<void> {
  if (states.size === 0) return;
  const rows = [...states].map(([model_id, state]) => ({ model_id, state: encode(state) }));
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
  return new Map(rows.map(({ model_id, state }) => [model_id, decode(state) as State]));
}

/** JSON knows no −∞, which is where the logarithm of an untouched statistic stands. */
const minusInfinity = '-inf';

function encode(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item) => (item === Number.NEGATIVE_INFINITY ? minusInfinity : item)),
  );
}

function decode(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, item) =>
    item === minusInfinity ? Number.NEGATIVE_INFINITY : item,
  );
}
