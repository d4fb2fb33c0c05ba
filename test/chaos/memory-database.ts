import type { Database, Transaction } from '../../controller/src/record/database.ts';

/*
 * The controller's tables in memory, for what its loop and its people ask of them: a database that answers in
 * microseconds. It knows the statements of `controller/src/record` by how they begin and refuses every other one;
 * memory-database.test.ts holds it to the real one.
 */

export interface MemoryDatabase {
  /** One statement on the last commit, as a transaction of its own. */
  query(sql: string, values?: readonly unknown[]): unknown[];
  begin(): MemoryTransaction;
  /** As committed. */
  tables(): Tables;
}

/** Sees its own changes; whoever keeps one open keeps all others from writing. */
export interface MemoryTransaction {
  query(sql: string, values?: readonly unknown[]): unknown[];
  commit(): void;
}

export interface Tables {
  readonly routes: Map<string, RouteRow>;
  readonly events: EventRow[];
  readonly proposals: ProposalRow[];
  readonly decisions: Map<string, DecisionRow>;
  readonly models: Map<string, ModelRow>;
  readonly audit: Row[];
  readonly keys: Map<string, Row>;
  /** What was given out stays so, also when a transaction is taken back: one object for all copies. */
  readonly lastIds: { proposals: number; audit: number };
}

type Row = Readonly<Record<string, unknown>>;
type Values = readonly unknown[];

/** Columns of JSONB are canonical texts, so that they compare as in PostgreSQL. */
export interface RouteRow extends Row {
  readonly route: string;
  readonly generation: number;
  readonly weights: string;
  readonly phase: string;
  readonly backoff: string;
  readonly override: string | null;
  readonly frozen: string | null;
  readonly updated_at: number;
}

export interface EventRow extends Row {
  readonly route: string;
  readonly generation: number;
  readonly kind: string;
  readonly from_model: string;
  readonly to_model: string;
  readonly actor: string;
  readonly weights: string;
  readonly decision: string;
  readonly outcome: string;
  readonly switch_timestamp: number;
}

interface ProposalRow extends Row {
  readonly id: number;
  readonly route: string;
  readonly status: string;
  readonly decision: string;
}

interface DecisionRow extends Row {
  readonly route: string;
  readonly begun_at: number;
}

interface ModelRow extends Row {
  readonly rule_version: unknown;
  readonly state: unknown;
  readonly evaluated_at: number;
}

type Statement = (tables: Tables, values: Values) => unknown[];

export function memoryDatabase(): MemoryDatabase {
  let committed = empty();
  return {
    tables: () => committed,
    query(sql, values = []) {
      if (isRead(sql)) return statementOf(sql)(committed, values);
      const next = copyOf(committed);
      const rows = statementOf(sql)(next, values);
      committed = next;
      return rows;
    },
    begin() {
      const next = copyOf(committed);
      return {
        query: (sql, values = []) => statementOf(sql)(next, values),
        commit() {
          committed = next;
        },
      };
    },
  };
}

/** The same as the controller knows it: nothing takes time, and transactions follow each other. */
export function asDatabase(memory: MemoryDatabase): Database {
  let last: Promise<unknown> = Promise.resolve();
  return {
    kind: 'embedded',
    query: async <Row>(sql: string, values?: readonly unknown[]) => memory.query(sql, values) as Row[],
    transaction<T>(work: (transaction: Transaction) => Promise<T>) {
      const turn = last.then(async () => {
        const { query, commit } = memory.begin();
        const result = await work({
          query: async <Row>(sql: string, values?: readonly unknown[]) => query(sql, values) as Row[],
          script: refuseScript,
        });
        commit();
        return result;
      });
      last = turn.catch(() => undefined);
      return turn;
    },
    close: async () => undefined,
  };
}

export async function refuseScript(sql: string): Promise<void> {
  throw new Error(`the database in memory runs no scripts: ${sql.slice(0, 80)}`);
}

const empty = (): Tables => ({
  routes: new Map(),
  events: [],
  proposals: [],
  decisions: new Map(),
  models: new Map(),
  audit: [],
  keys: new Map(),
  lastIds: { proposals: 0, audit: 0 },
});

/** Rows are replaced, never changed, so that a copy of the lists is a copy. */
const copyOf = ({ routes, events, proposals, decisions, models, audit, keys, lastIds }: Tables): Tables => ({
  routes: new Map(routes),
  events: [...events],
  proposals: [...proposals],
  decisions: new Map(decisions),
  models: new Map(models),
  audit: [...audit],
  keys: new Map(keys),
  lastIds,
});

/** Only reads, which need no copy and wait for nobody. */
export const isRead = (sql: string) => /^\s*SELECT (?!pg_advisory)/.test(sql);

const known = new Map<string, Statement>();

function statementOf(sql: string): Statement {
  const found = known.get(sql);
  if (found) return found;
  const text = sql.replaceAll(/\s+/g, ' ').trim();
  const statement = statements().find(([beginning]) => text.startsWith(beginning))?.[1];
  if (!statement)
    throw new Error(`the database in memory does not know this statement, teach it: ${text.slice(0, 120)}`);
  known.set(sql, statement);
  return statement;
}

const statements = (): readonly (readonly [beginning: string, Statement])[] => [
  ['SELECT route, generation, weights, phase', ({ routes }) => [...routes.values()].map(routeOut)],
  ['INSERT INTO relaycore.route_states', insertRoute],
  ['UPDATE relaycore.route_states SET generation', replaceRoute],
  ['UPDATE relaycore.route_states SET override', changeHand],
  ['UPDATE relaycore.route_states AS state SET frozen = $2', freezeRoutes],
  ['UPDATE relaycore.route_states AS state SET frozen = NULL', unfreezeRoutes],
  ['INSERT INTO relaycore.model_switch_events', insertEvent],
  ['UPDATE relaycore.model_switch_events SET rollback_timestamp', markRolledBack],
  ['UPDATE relaycore.model_switch_events SET outcome', markApplied],
  ['SELECT outcome FROM relaycore.model_switch_events', outcomeOf],
  ['SELECT DISTINCT from_model', modelsLeft],
  ['INSERT INTO relaycore.proposals', insertProposal],
  ['UPDATE relaycore.proposals SET status = $2', closeProposal],
  [`UPDATE relaycore.proposals SET status = 'superseded'`, supersedeProposals],
  [`SELECT * FROM relaycore.proposals WHERE status = 'open'`, openProposals],
  ['SELECT * FROM relaycore.proposals WHERE route = $1 AND kind = $2', lastRefused],
  ['SELECT * FROM relaycore.proposals WHERE id = $1', findProposal],
  ['INSERT INTO relaycore.route_decisions', insertDecisions],
  ['UPDATE relaycore.route_decisions', extendDecisions],
  ['SELECT latest.* FROM relaycore.route_states', latestDecisions],
  ['INSERT INTO relaycore.model_states', saveModels],
  ['DELETE FROM relaycore.model_states', forgetModels],
  ['SELECT model_id, state FROM relaycore.model_states', loadModels],
  ['INSERT INTO relaycore.model_performance_metrics', () => []],
  ['SELECT pg_advisory_xact_lock', () => [{}]],
  ['SELECT hash FROM relaycore.audit_log', ({ audit }) => audit.slice(-1).map(({ hash }) => ({ hash }))],
  ['INSERT INTO relaycore.audit_log', insertAudit],
  ['SELECT * FROM relaycore.audit_log WHERE id > $1', auditAfter],
  ['SELECT request_digest, response FROM relaycore.idempotency_keys', keptResponse],
  ['DELETE FROM relaycore.idempotency_keys', () => []],
  ['INSERT INTO relaycore.idempotency_keys', keepResponse],
];

// Routes.

function insertRoute({ routes }: Tables, values: Values): unknown[] {
  const row = routeIn(values);
  if (!routes.has(row.route)) routes.set(row.route, row);
  return [];
}

function replaceRoute({ routes }: Tables, values: Values): unknown[] {
  const row = routeIn(values);
  const before = routes.get(row.route);
  if (!before || before.generation !== values[8] || before.frozen !== row.frozen) return [];
  routes.set(row.route, row);
  return [{ route: row.route }];
}

function changeHand({ routes }: Tables, [route, generation, ...hands]: Values): unknown[] {
  const before = routes.get(String(route));
  const [wasPinned, wasFrozen, override, frozen] = hands.map(json) as (string | null)[];
  if (before?.generation !== generation) return [];
  if (before!.override !== wasPinned || before!.frozen !== wasFrozen) return [];
  routes.set(before!.route, { ...before!, override: override!, frozen: frozen! });
  return [{ route }];
}

function freezeRoutes({ routes }: Tables, [names, freeze, expiresAt]: Values): unknown[] {
  return touch(routes, names, row =>
    expiryIn(row.frozen) < Number(expiresAt) ? { ...row, frozen: json(freeze) } : undefined,
  );
}

function unfreezeRoutes({ routes }: Tables, [names, now]: Values): unknown[] {
  return touch(routes, names, row =>
    expiryIn(row.frozen) > Number(now) ? { ...row, frozen: null } : undefined,
  );
}

function touch(
  routes: Tables['routes'],
  names: unknown,
  change: (row: RouteRow) => RouteRow | undefined,
): unknown[] {
  return [...routes.values()].flatMap(row => {
    const changed = (names as readonly string[]).includes(row.route) ? change(row) : undefined;
    if (!changed) return [];
    routes.set(row.route, changed);
    return [{ route: row.route, generation: row.generation }];
  });
}

const expiryIn = (frozen: string | null): number => (frozen === null ? 0 : JSON.parse(frozen).expiresAt);

const routeIn = ([
  route,
  generation,
  weights,
  phase,
  backoff,
  override,
  updatedAt,
  frozen,
]: Values): RouteRow => ({
  route: String(route),
  generation: Number(generation),
  weights: json(weights)!,
  phase: json(phase)!,
  backoff: json(backoff)!,
  override: json(override),
  frozen: json(frozen),
  updated_at: millis(updatedAt)!,
});

const routeOut = (row: RouteRow) => ({
  ...row,
  weights: parsed(row.weights),
  phase: parsed(row.phase),
  backoff: parsed(row.backoff),
  override: parsed(row.override),
  frozen: parsed(row.frozen),
  updated_at: new Date(row.updated_at),
});

// Switch events.

function insertEvent({ events }: Tables, values: Values): unknown[] {
  const [route, generation, kind, from_model, to_model, reason, signal, score, actor, weights, decision, at] =
    values;
  if (events.some(event => event.route === route && event.generation === generation))
    throw new Error('duplicate key value violates unique constraint of route and generation');
  events.push({
    route: String(route),
    generation: Number(generation),
    kind: String(kind),
    from_model: String(from_model),
    to_model: String(to_model),
    reason,
    signal,
    score,
    actor: String(actor),
    weights: json(weights)!,
    decision: json(decision)!,
    outcome: 'pending',
    switch_timestamp: millis(at)!,
  });
  return [];
}

function markRolledBack({ events }: Tables, [route, at, generation]: Values): unknown[] {
  return change(
    events,
    event =>
      event.route === route &&
      event.generation < Number(generation) &&
      event.rollback_timestamp === undefined &&
      ['failover', 'manual'].includes(event.kind),
    event => ({ ...event, rollback_timestamp: millis(at) }),
  );
}

function markApplied({ events }: Tables, [route, generation]: Values): unknown[] {
  return change(
    events,
    event => event.route === route && event.generation <= Number(generation) && event.outcome === 'pending',
    event => ({ ...event, outcome: event.generation === generation ? 'applied' : 'superseded' }),
  );
}

const outcomeOf: Statement = ({ events }, [route, generation]) =>
  events
    .filter(event => event.route === route && event.generation === generation)
    .map(({ outcome }) => ({ outcome }));

const modelsLeft: Statement = ({ events }, [since, actor, reasons]) => {
  const left = events.filter(
    event =>
      event.kind === 'failover' &&
      event.switch_timestamp > millis(since)! &&
      event.actor === actor &&
      (reasons as readonly unknown[]).includes(JSON.parse(event.decision).reason),
  );
  return [...new Set(left.map(event => event.from_model))].map(model => ({ model }));
};

// Proposals.

function insertProposal({ proposals, lastIds }: Tables, values: Values): unknown[] {
  const [route, generation, mode, kind, from_model, to_model, words, decision, proposedAt, expiresAt] =
    values;
  const id = ++lastIds.proposals;
  if (proposals.some(row => row.route === route && row.status === 'open')) return [];
  const row: ProposalRow = {
    id,
    route: String(route),
    generation,
    mode,
    kind,
    from_model,
    to_model,
    words,
    decision: json(decision)!,
    status: 'open',
    proposed_at: millis(proposedAt),
    expires_at: millis(expiresAt),
    closed_at: null,
    actor: null,
    comment: null,
  };
  proposals.push(row);
  return [proposalOut(row)];
}

function closeProposal({ proposals }: Tables, [id, status, at, actor, comment]: Values): unknown[] {
  return change(
    proposals,
    row => row.id === id && row.status === 'open',
    row => ({ ...row, status: String(status), closed_at: millis(at), actor, comment }),
  ).map(() => ({ id }));
}

function supersedeProposals({ proposals }: Tables, [route, at]: Values): unknown[] {
  return change(
    proposals,
    row => row.route === route && row.status === 'open',
    row => ({ ...row, status: 'superseded', closed_at: millis(at) }),
  );
}

const openProposals: Statement = ({ proposals }) =>
  proposals.filter(({ status }) => status === 'open').map(proposalOut);

const lastRefused: Statement = ({ proposals }, [route, kind, from, to]) =>
  proposals
    .filter(row => row.route === route && row.kind === kind && row.from_model === from && row.to_model === to)
    .filter(({ status }) => status === 'rejected' || status === 'expired')
    .slice(-1)
    .map(proposalOut);

const findProposal: Statement = ({ proposals }, [id]) =>
  proposals.filter(row => row.id === id).map(proposalOut);

const proposalOut = (row: ProposalRow) => ({
  ...row,
  decision: parsed(row.decision),
  proposed_at: date(row.proposed_at),
  expires_at: date(row.expires_at),
  closed_at: date(row.closed_at),
});

// What was decided over time.

function insertDecisions({ decisions }: Tables, [rows]: Values): unknown[] {
  for (const row of recordset(rows)) decisions.set(stretchKey(row), stretchIn(row));
  return [];
}

function extendDecisions({ decisions }: Tables, [rows]: Values): unknown[] {
  for (const row of recordset(rows)) {
    const kept = decisions.get(stretchKey(row));
    if (kept)
      decisions.set(stretchKey(row), {
        ...kept,
        until_at: Date.parse(String(row.until_at)),
        last: row.last ?? kept.last,
      });
  }
  return [];
}

function latestDecisions({ routes, decisions }: Tables): unknown[] {
  return [...routes.keys()].flatMap(route => {
    const latest = [...decisions.values()]
      .filter(row => row.route === route)
      .toSorted((one, other) => other.begun_at - one.begun_at)[0];
    return latest
      ? [{ ...latest, begun_at: new Date(latest.begun_at), until_at: date(latest.until_at) }]
      : [];
  });
}

const stretchKey = ({ route, begun_at }: Row) => `${route} ${Date.parse(String(begun_at))}`;

const stretchIn = (row: Row): DecisionRow => ({
  ...row,
  route: String(row.route),
  begun_at: Date.parse(String(row.begun_at)),
  until_at: Date.parse(String(row.until_at)),
});

// Evidence.

function saveModels({ models }: Tables, [rows, ruleVersion, at]: Values): unknown[] {
  for (const { model_id, state } of recordset(rows)) {
    const before = models.get(String(model_id));
    if (before && before.evaluated_at > millis(at)!) continue;
    models.set(String(model_id), { rule_version: ruleVersion, state, evaluated_at: millis(at)! });
  }
  return [];
}

function forgetModels({ models }: Tables, [oldest, ruleVersion]: Values): unknown[] {
  for (const [id, row] of models)
    if (row.evaluated_at < millis(oldest)! || row.rule_version !== ruleVersion) models.delete(id);
  return [];
}

const loadModels: Statement = ({ models }) =>
  [...models].map(([model_id, { state }]) => ({ model_id, state: structuredClone(state) }));

// What people did.

function insertAudit({ audit, lastIds }: Tables, values: Values): unknown[] {
  const [at, actor, action, route, reason, before, after, key, source, detail, previous_hash, hash] = values;
  audit.push({
    id: ++lastIds.audit,
    at: millis(at),
    actor,
    action,
    route,
    reason,
    generation_before: before,
    generation_after: after,
    idempotency_key: key,
    source,
    detail: json(detail),
    previous_hash,
    hash,
  });
  return [];
}

const auditAfter: Statement = ({ audit }, [id, limit]) =>
  audit
    .filter(row => Number(row.id) > Number(id))
    .slice(0, Number(limit))
    .map(row => ({ ...row, at: date(row.at), detail: parsed(row.detail as string | null) }));

const keptResponse: Statement = ({ keys }, [key]) => {
  const row = keys.get(String(key));
  return row ? [{ request_digest: row.digest, response: parsed(row.response as string) }] : [];
};

function keepResponse({ keys }: Tables, [key, digest, response]: Values): unknown[] {
  if (keys.has(String(key))) throw new Error('duplicate key value violates unique constraint of the key');
  keys.set(String(key), { digest, response: json(response) });
  return [];
}

// Values.

/** Replaces the rows that fit; returns them. */
function change<R>(rows: R[], fits: (row: R) => boolean, next: (row: R) => R): R[] {
  return [...rows.entries()].flatMap(([i, row]) => {
    if (!fits(row)) return [];
    rows[i] = next(row);
    return [rows[i]!];
  });
}

const recordset = (text: unknown) => JSON.parse(String(text)) as readonly Row[];
const millis = (value: unknown) => (value === null ? null : (value as Date).getTime());
const date = (value: unknown) => (value === null ? null : new Date(Number(value)));
const parsed = (text: string | null) => (text === null ? null : JSON.parse(text));

/** As JSONB keeps it: the keys of an object by length, then by letters. */
function json(text: unknown): string | null {
  return text === null ? null : JSON.stringify(inOrder(JSON.parse(String(text))));
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, inOrder(item)]));
}
