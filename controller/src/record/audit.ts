import { createHash } from 'node:crypto';
import type { Transaction } from './database.ts';

/** What people can do to a route. */
export const actions = ['switch', 'pin', 'unpin', 'freeze', 'unfreeze', 'approve', 'reject'] as const;
export type Action = (typeof actions)[number];

/** Who did what to which route, and why. */
export interface NewAuditEntry {
  readonly at: number;
  readonly actor: string;
  readonly action: Action;
  readonly route: string;
  readonly reason: string;
  readonly generationBefore: number;
  readonly generationAfter: number;
  readonly idempotencyKey?: string;
  /** What it came through: `api`, `relayctl`. */
  readonly source: string;
  /** What else the request said. */
  readonly detail: unknown;
}

export interface AuditEntry extends NewAuditEntry {
  readonly id: number;
  /** SHA-256 over the previous hash and everything above but the id, in hexadecimal. */
  readonly hash: string;
  readonly previousHash: string;
}

/** The hash before the first entry. */
const beginning = '0'.repeat(64);

/**
 * Appends to the chain. The chain is locked until the transaction ends, so this comes last in it: whoever waits for the
 * chain must hold nothing that its holder may still want.
 */
export async function appendAudit(
  transaction: Transaction,
  entries: readonly NewAuditEntry[],
): Promise<void> {
  await transaction.query('SELECT pg_advisory_xact_lock(hashtext($1))', ['relaycore audit']);
  const [last] = await transaction.query<{ hash: string }>(
    'SELECT hash FROM relaycore.audit_log ORDER BY id DESC LIMIT 1',
  );
  let previous = last?.hash ?? beginning;
  for (const entry of entries) {
    const hash = hashOf(previous, entry);
    await insert(transaction, entry, previous, hash);
    previous = hash;
  }
}

async function insert(
  transaction: Transaction,
  entry: NewAuditEntry,
  previous: string,
  hash: string,
): Promise<void> {
  await transaction.query(
    `INSERT INTO relaycore.audit_log
       (at, actor, action, route, reason, generation_before, generation_after, idempotency_key, source, detail,
        previous_hash, hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      new Date(entry.at),
      entry.actor,
      entry.action,
      entry.route,
      entry.reason,
      entry.generationBefore,
      entry.generationAfter,
      entry.idempotencyKey ?? null,
      entry.source,
      JSON.stringify(entry.detail),
      previous,
      hash,
    ],
  );
}

/** The canonical row: its fields in this order, objects by their sorted keys, as the database may order them anew. */
function hashOf(previous: string, entry: NewAuditEntry): string {
  const { at, actor, action, route, reason, generationBefore, generationAfter, source, detail } = entry;
  const row = [at, actor, action, route, reason, generationBefore, generationAfter];
  const text = JSON.stringify([...row, entry.idempotencyKey ?? null, source, sorted(detail)]);
  return createHash('sha256').update(`${previous}\n${text}`).digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}

/** The chain as far as it was walked. */
export interface Verification {
  readonly entries: number;
  /** The last entry that was looked at; kept elsewhere, it shows later whether the end was cut off. */
  readonly head?: { readonly id: number; readonly hash: string };
  /** The first entry that does not fit. */
  readonly broken?: { readonly id: number; readonly problem: string };
}

const entriesAPage = 1000;

/** Walks the chain from its beginning and says where it first breaks. */
export async function verifyAudit(database: Pick<Transaction, 'query'>): Promise<Verification> {
  let previous = beginning;
  let head: Verification['head'];
  for (let entries = 0; ; ) {
    const page = await pageAfter(database, head?.id ?? 0);
    for (const entry of page) {
      const problem = problemOf(entry, previous);
      entries += 1;
      head = { id: entry.id, hash: entry.hash };
      if (problem !== undefined) return { entries, head, broken: { id: entry.id, problem } };
      previous = entry.hash;
    }
    if (page.length < entriesAPage) return { entries, ...(head && { head }) };
  }
}

function problemOf(entry: AuditEntry, previous: string): string | undefined {
  if (entry.previousHash !== previous)
    return previous === beginning
      ? 'it is not the first entry that was written'
      : 'an entry before it is missing, or was changed together with its hash';
  if (hashOf(previous, entry) !== entry.hash) return 'its own fields are not those that were written';
  return undefined;
}

async function pageAfter(database: Pick<Transaction, 'query'>, id: number): Promise<readonly AuditEntry[]> {
  const rows = await database.query<Row>(
    'SELECT * FROM relaycore.audit_log WHERE id > $1 ORDER BY id LIMIT $2',
    [id, entriesAPage],
  );
  return rows.map(entryOf);
}

/** Keyset page: entries older than `before`, newest first. */
export interface AuditFilter {
  readonly route?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly before?: number;
  readonly limit: number;
}

export async function listAudit(
  database: Pick<Transaction, 'query'>,
  filter: AuditFilter,
): Promise<readonly AuditEntry[]> {
  const rows = await database.query<Row>(
    `SELECT * FROM relaycore.audit_log
     WHERE ($1::text IS NULL OR route = $1)
       AND ($2::text IS NULL OR actor = $2)
       AND ($3::text IS NULL OR action = $3)
       AND ($4::integer IS NULL OR id < $4)
     ORDER BY id DESC LIMIT $5`,
    [filter.route ?? null, filter.actor ?? null, filter.action ?? null, filter.before ?? null, filter.limit],
  );
  return rows.map(entryOf);
}

interface Row {
  id: number;
  at: Date;
  actor: string;
  action: Action;
  route: string;
  reason: string;
  generation_before: number;
  generation_after: number;
  idempotency_key: string | null;
  source: string;
  detail: unknown;
  previous_hash: string;
  hash: string;
}

const entryOf = (row: Row): AuditEntry => ({
  id: row.id,
  at: row.at.getTime(),
  actor: row.actor,
  action: row.action,
  route: row.route,
  reason: row.reason,
  generationBefore: row.generation_before,
  generationAfter: row.generation_after,
  ...(row.idempotency_key !== null && { idempotencyKey: row.idempotency_key }),
  source: row.source,
  detail: row.detail,
  hash: row.hash,
  previousHash: row.previous_hash,
});
