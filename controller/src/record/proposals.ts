import type { Mode } from '@relaycore/rules';
import type { Change, Proposal, ProposalStatus } from '../types.ts';
import type { Transaction } from './database.ts';

type Queryable = Pick<Transaction, 'query'>;

export type NewProposal = Omit<Proposal, 'id' | 'status' | 'closedAt' | 'actor' | 'comment'>;

/** Leaves the route's open one alone, when another controller was quicker. */
export async function insertProposal(
  database: Queryable,
  proposal: NewProposal,
): Promise<Proposal | undefined> {
  const rows = await database.query<Row>(
    `INSERT INTO relaycore.proposals
       (route, generation, mode, kind, from_model, to_model, words, decision, proposed_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (route) WHERE status = 'open' DO NOTHING RETURNING *`,
    [
      proposal.route,
      proposal.generation,
      proposal.mode,
      proposal.kind,
      proposal.from,
      proposal.to,
      proposal.words,
      JSON.stringify(proposal.decision),
      new Date(proposal.proposedAt),
      proposal.expiresAt === undefined ? null : new Date(proposal.expiresAt),
    ],
  );
  return rows.map(proposalOf)[0];
}

export interface Closing {
  readonly status: Exclude<ProposalStatus, 'open'>;
  readonly at: number;
  readonly actor?: string;
  readonly comment?: string;
}

/** Returns false when it was closed already. */
export async function closeProposal(
  database: Queryable,
  id: number,
  { status, at, actor, comment }: Closing,
): Promise<boolean> {
  const rows = await database.query(
    `UPDATE relaycore.proposals SET status = $2, closed_at = $3, actor = $4, comment = $5
     WHERE id = $1 AND status = 'open' RETURNING id`,
    [id, status, new Date(at), actor ?? null, comment ?? null],
  );
  return rows.length === 1;
}

/** The route has moved on, so what was proposed for it as it was is over. */
export async function supersedeProposals(transaction: Transaction, route: string, at: number): Promise<void> {
  await transaction.query(
    `UPDATE relaycore.proposals SET status = 'superseded', closed_at = $2 WHERE route = $1 AND status = 'open'`,
    [route, new Date(at)],
  );
}

/** What waits, by route: at most one each. */
export async function loadOpenProposals(database: Queryable): Promise<ReadonlyMap<string, Proposal>> {
  const rows = await database.query<Row>(`SELECT * FROM relaycore.proposals WHERE status = 'open'`);
  return new Map(rows.map(row => [row.route, proposalOf(row)]));
}

/** The last time that a person said no to this very change, or did not answer. */
export async function lastRefused(
  database: Queryable,
  route: string,
  { kind, from, to }: Pick<Change, 'kind' | 'from' | 'to'>,
): Promise<Proposal | undefined> {
  const rows = await database.query<Row>(
    `SELECT * FROM relaycore.proposals
     WHERE route = $1 AND kind = $2 AND from_model = $3 AND to_model = $4 AND status IN ('rejected', 'expired')
     ORDER BY id DESC LIMIT 1`,
    [route, kind, from, to],
  );
  return rows.map(proposalOf)[0];
}

/** What waited for a person at a time. */
export async function openProposalAt(
  database: Queryable,
  route: string,
  at: number,
): Promise<Proposal | undefined> {
  const rows = await database.query<Row>(
    `SELECT * FROM relaycore.proposals
     WHERE route = $1 AND proposed_at <= $2 AND (closed_at IS NULL OR closed_at > $2) ORDER BY id DESC LIMIT 1`,
    [route, new Date(at)],
  );
  return rows.map(proposalOf)[0];
}

export async function findProposal(database: Queryable, id: number): Promise<Proposal | undefined> {
  const rows = await database.query<Row>('SELECT * FROM relaycore.proposals WHERE id = $1', [id]);
  return rows.map(proposalOf)[0];
}

/** Keyset page: proposals older than `before`, newest first. */
export interface ProposalFilter {
  readonly route?: string;
  readonly status?: string;
  readonly before?: number;
  readonly limit: number;
}

export async function listProposals(
  database: Queryable,
  filter: ProposalFilter,
): Promise<readonly Proposal[]> {
  const rows = await database.query<Row>(
    `SELECT * FROM relaycore.proposals
     WHERE ($1::text IS NULL OR route = $1)
       AND ($2::text IS NULL OR status = $2)
       AND ($3::integer IS NULL OR id < $3)
     ORDER BY id DESC LIMIT $4`,
    [filter.route ?? null, filter.status ?? null, filter.before ?? null, filter.limit],
  );
  return rows.map(proposalOf);
}

interface Row {
  id: number;
  route: string;
  generation: number;
  mode: Mode;
  kind: Change['kind'];
  from_model: string;
  to_model: string;
  words: string;
  decision: unknown;
  status: ProposalStatus;
  proposed_at: Date;
  expires_at: Date | null;
  closed_at: Date | null;
  actor: string | null;
  comment: string | null;
}

const proposalOf = (row: Row): Proposal => ({
  id: row.id,
  route: row.route,
  generation: row.generation,
  mode: row.mode,
  kind: row.kind,
  from: row.from_model,
  to: row.to_model,
  words: row.words,
  decision: row.decision,
  status: row.status,
  proposedAt: row.proposed_at.getTime(),
  ...(row.expires_at && { expiresAt: row.expires_at.getTime() }),
  ...(row.closed_at && { closedAt: row.closed_at.getTime() }),
  ...(row.actor !== null && { actor: row.actor }),
  ...(row.comment !== null && { comment: row.comment }),
});
