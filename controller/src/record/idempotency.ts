import type { Database, Transaction } from './database.ts';

/** The answer to an earlier request with this key. */
export async function keptResponse(
  database: Database,
  key: string,
): Promise<{ readonly digest: string; readonly response: unknown } | undefined> {
  const rows = await database.query<{ request_digest: string; response: unknown }>(
    'SELECT request_digest, response FROM relaycore.idempotency_keys WHERE key = $1',
    [key],
  );
  return rows[0] && { digest: rows[0].request_digest, response: rows[0].response };
}

/**
 * Keeps an answer, and forgets those older than a day. Belongs into the transaction of what it answers for; a key that
 * is there already makes that fail.
 */
export async function keepResponse(
  transaction: Pick<Transaction, 'query'>,
  key: string,
  digest: string,
  response: unknown,
): Promise<void> {
  await transaction.query(
    `DELETE FROM relaycore.idempotency_keys WHERE created_at < CURRENT_TIMESTAMP - INTERVAL '1 day'`,
  );
  await transaction.query(
    'INSERT INTO relaycore.idempotency_keys (key, request_digest, response) VALUES ($1, $2, $3)',
    [key, digest, JSON.stringify(response)],
  );
}
