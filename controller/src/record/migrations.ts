import { createHash } from 'node:crypto';
import type { Database } from './database.ts';
import { initial } from './migrations/001-initial.ts';
import { modelStates } from './migrations/002-model-states.ts';
import { hands } from './migrations/003-hands.ts';

/** Numbered by their place; never edited once released: a correction is a new migration. */
const migrations: readonly { readonly name: string; readonly sql: string }[] = [
  { name: '001-initial', sql: initial },
  { name: '002-model-states', sql: modelStates },
  { name: '003-hands', sql: hands },
];

/** Applies what is missing, each in a transaction; several controllers may do this at once. */
export async function migrate(database: Database): Promise<void> {
  await database.transaction(async transaction => {
    await transaction.query('SELECT pg_advisory_xact_lock(hashtext($1))', ['relaycore migrations']);
    await transaction.script(`
      CREATE SCHEMA IF NOT EXISTS relaycore;
      CREATE TABLE IF NOT EXISTS relaycore.schema_migrations (
        name text PRIMARY KEY,
        digest text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
      );
    `);
    const applied = await transaction.query<{ name: string; digest: string }>(
      'SELECT name, digest FROM relaycore.schema_migrations',
    );
    for (const { name, sql } of migrations) {
      const digest = createHash('sha256').update(sql).digest('hex');
      const before = applied.find(migration => migration.name === name);
      if (before && before.digest !== digest)
        throw new Error(
          `migration ${name} is not the one that was applied; restore it and add a new migration instead`,
        );
      if (before) continue;
      await transaction.script(sql);
      await transaction.query('INSERT INTO relaycore.schema_migrations (name, digest) VALUES ($1, $2)', [
        name,
        digest,
      ]);
    }
    const unknown = applied.filter(({ name }) => !migrations.some(migration => migration.name === name));
    if (unknown.length > 0)
      throw new Error(
        `the database is newer than this program (it has ${unknown.map(({ name }) => name).join(', ')}); update the controller`,
      );
  });
}
