import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openDatabase } from '../../controller/src/record/database.ts';
import { migrate } from '../../controller/src/record/migrations.ts';
import { startPostgresql } from './postgresql.ts';

/** A database of one kind for a test file: started once, because that takes seconds. */
export interface StartedDatabase {
  readonly database: Database;
  /** Forgets every record; the tables stay. */
  clear(): Promise<void>;
  /** Ends everything that was started. */
  stop(): Promise<void>;
}

export const databaseKinds = { embedded: startEmbedded, PostgreSQL: startServer } as const;

export async function startEmbedded(): Promise<StartedDatabase> {
  const folder = await temporaryFolder();
  const database = await openDatabase({ kind: 'embedded', folder });
  return {
    database,
    clear: () => clear(database),
    async stop() {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function startServer(): Promise<StartedDatabase> {
  const folder = await temporaryFolder();
  const server = await startPostgresql({ folder });
  const url = await server.freshDatabase();
  const database = await openDatabase({ kind: 'postgresql', url, timeoutMs: 5_000 });
  return {
    database,
    clear: () => clear(database),
    async stop() {
      await database.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function clear(database: Database): Promise<void> {
  const tables = await database.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'relaycore' AND tablename <> 'schema_migrations'`,
  );
  // Faster than TRUNCATE, which makes new files. Triggers rest meanwhile: one of them guards the audit log.
  const deletions = tables.map(({ name }) => `DELETE FROM relaycore.${name};`).join('');
  await database.transaction(({ script }) =>
    script(`SET LOCAL session_replication_role = replica; ${deletions}`),
  );
}

/** As if no controller had ever been there. */
export async function rebuild(database: Database): Promise<void> {
  await database.query('DROP SCHEMA IF EXISTS relaycore CASCADE');
  await migrate(database);
}

/** A folder of the test's own; the test removes it. */
export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'relaycore-'));
}
