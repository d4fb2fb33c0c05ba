import { mkdir } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { messageOf } from '../errors.ts';
import { lockFolder } from './folder-lock.ts';
import { migrate } from './migrations.ts';

export interface Transaction {
  query<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Several statements without values. */
  script(sql: string): Promise<void>;
}

/** PostgreSQL, on a server or embedded: the same SQL either way. */
export interface Database {
  readonly kind: 'postgresql' | 'embedded';
  query<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** All or nothing: rolls back and rethrows when `work` fails. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export type DatabaseLocation =
  | { readonly kind: 'postgresql'; readonly url: string; readonly timeoutMs: number }
  | { readonly kind: 'embedded'; readonly folder: string };

/** Opens the database and brings its schema up to date. */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  const database =
    location.kind === 'postgresql' ? openServer(location) : await openEmbedded(location.folder);
  try {
    await migrate(database);
    return database;
  } catch (error) {
    await database.close().catch(() => undefined);
    const where =
      location.kind === 'postgresql' ? `PostgreSQL at ${withoutPassword(location.url)}` : location.folder;
    throw new Error(`the database could not be prepared (${where}): ${messageOf(error)}`, { cause: error });
  }
}

function openServer({ url, timeoutMs }: Extract<DatabaseLocation, { kind: 'postgresql' }>): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: 8,
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    query_timeout: timeoutMs,
    application_name: 'relaycore-controller',
  });
  // A connection that breaks is replaced on next use; without listeners it would end the process. The pool listens to
  // the idle ones only, the other listener is for those in a transaction.
  pool.on('error', () => undefined);
  pool.on('connect', client => client.on('error', () => undefined));
  return {
    kind: 'postgresql',
    async query<Row>(sql: string, values: readonly unknown[] = []) {
      return (await pool.query(sql, [...values])).rows as Row[];
    },
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        const result = await work({
          async query<Row>(sql: string, values: readonly unknown[] = []) {
            return (await client.query(sql, [...values])).rows as Row[];
          },
          async script(sql) {
            await client.query(sql);
          },
        });
        await client.query('COMMIT');
        client.release();
        return result;
      } catch (error) {
        await client.query('ROLLBACK').then(
          () => client.release(),
          broken => client.release(broken),
        );
        throw error;
      }
    },
    close: () => pool.end(),
  };
}

async function openEmbedded(folder: string): Promise<Database> {
  await mkdir(folder, { recursive: true });
  const lock = await lockFolder(folder);
  const database = await PGlite.create(folder).catch(async error => {
    await lock.release();
    throw error;
  });
  return {
    kind: 'embedded',
    async query<Row>(sql: string, values: readonly unknown[] = []) {
      return (await database.query<Row>(sql, [...values])).rows;
    },
    transaction: work =>
      database.transaction(transaction =>
        work({
          async query<Row>(sql: string, values: readonly unknown[] = []) {
            return (await transaction.query<Row>(sql, [...values])).rows;
          },
          async script(sql) {
            await transaction.exec(sql);
          },
        }),
      ),
    async close() {
      await database.close();
      await lock.release();
    },
  };
}

function withoutPassword(url: string): string {
  return URL.canParse(url) ? url.replace(/:[^:@/]*@/, ':…@') : 'DATABASE_URL, which is not an address';
}
