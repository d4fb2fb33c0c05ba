import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../../test/support/databases.ts';
import { type RunningPostgresql, startPostgresql } from '../../../test/support/postgresql.ts';
import { keptGenerations, upTo } from '../../../test/support/records.ts';
import { type Database, openDatabase } from './database.ts';

describe('a PostgreSQL', () => {
  let server: RunningPostgresql;
  let folder: string;
  let database: Database;
  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await startPostgresql({ folder });
    const url = await server.freshDatabase();
    database = await openDatabase({ kind: 'postgresql', url, timeoutMs: 5_000 });
  });
  afterAll(async () => {
    await database.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('in the middle of a transaction fails it, and is used again once it is back', async () => {
    const interrupted = database.transaction(async transaction => {
      await transaction.query('SELECT 1');
      await server.stop();
      await transaction.query('SELECT 2');
    });
    await expect(interrupted).rejects.toThrow();
    await expect(database.query('SELECT 1')).rejects.toThrow(/ECONNREFUSED|terminated/);
    server = await startPostgresql({ folder, port: server.port });
    expect(await database.query('SELECT 3 AS three')).toEqual([{ three: 3 }]);
  });

  test('a connection broken from outside does not end the process either', async () => {
    const broken = database.transaction(async transaction => {
      const [backend] = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await database.query('SELECT pg_terminate_backend($1, 5000)', [backend!.pid]);
      await transaction.query('SELECT 2');
    });
    await expect(broken).rejects.toThrow();
    expect(await database.query('SELECT 3 AS three')).toEqual([{ three: 3 }]);
  });

  test('several controllers at once prepare a fresh one together', async () => {
    const url = await server.freshDatabase();
    const open = () => openDatabase({ kind: 'postgresql', url, timeoutMs: 5_000 });
    const opened = await Promise.all([open(), open(), open(), open()]);
    const rows = await opened[0]!.query<{ name: string }>(
      'SELECT name FROM relaycore.schema_migrations ORDER BY applied_at, name',
    );
    await Promise.all(opened.map(database => database.close()));
    expect(rows[0]).toEqual({ name: '001-initial' });
  });

  test('that is not there fails soon, says where, and keeps the password to itself', async () => {
    const url = 'postgresql://somebody:hunter2@127.0.0.1:1/relaycore';
    const opening = openDatabase({ kind: 'postgresql', url, timeoutMs: 2_000 });
    const error = await opening.catch((caught: Error) => caught);
    expect(`${error}`).toMatch(
      /could not be prepared \(PostgreSQL at postgresql:\/\/somebody:…@127\.0\.0\.1:1/,
    );
    expect(`${error}`).not.toContain('hunter2');
  });
});

describe('the embedded database', () => {
  test('survives SIGKILL in the middle of commits: nothing acknowledged is lost, no generation is missing', async () => {
    const folder = await temporaryFolder();
    let acknowledged = 0;
    for (const commits of [0, 3, 10]) {
      const { found, last } = await commitUntilKilled(folder, commits);
      // The last one may have been committed and not yet told.
      expect([acknowledged, acknowledged + 1]).toContain(found);
      acknowledged = last;
    }
    const database = await openDatabase({ kind: 'embedded', folder });
    const { events, state } = await keptGenerations(database);
    await database.close();
    await rm(folder, { recursive: true, force: true });
    expect([acknowledged, acknowledged + 1]).toContain(state);
    expect(events).toEqual(upTo(state!));
    expect(state).toBeGreaterThan(0);
  }, 120_000);

  const program = fileURLToPath(new URL('../../../test/support/commit-until-killed.ts', import.meta.url));

  /** Commits in a process of its own, which is killed after so many it told of, in the middle of the next. */
  async function commitUntilKilled(
    folder: string,
    commits: number,
  ): Promise<{ found: number; last: number }> {
    const child = spawn(process.execPath, ['--conditions=source', program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const told: number[] = [];
    const lines = createInterface({ input: child.stdout! }).on('line', line => told.push(Number(line)));
    const gone = once(child, 'close');
    // The first line tells what it found.
    while (told.length <= commits && child.exitCode === null) await Promise.race([once(lines, 'line'), gone]);
    await delay(1);
    child.kill('SIGKILL');
    await gone;
    return { found: told[0]!, last: told.at(-1)! };
  }
});
