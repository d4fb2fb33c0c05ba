import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort, type RunningServer } from '../support/servers.ts';
import type { InstalledLitellm } from './litellm-install.ts';

export interface LitellmSettings {
  readonly installed: InstalledLitellm;
  /** A folder of the test's own. */
  readonly folder: string;
  readonly databaseUrl: string;
  readonly token: string;
  /** What the configuration file says besides, as YAML. */
  readonly config?: string;
}

/** Makes LiteLLM's tables in an empty database, as its own start would with an engine that npm does not have. */
export async function createTables({ migrations }: InstalledLitellm, databaseUrl: string): Promise<void> {
  const steps = (await readdir(migrations, { withFileTypes: true })).filter(step => step.isDirectory());
  const files = steps.map(({ name }) => join(migrations, name, 'migration.sql')).sort();
  await psql(
    databaseUrl,
    files.flatMap(file => ['--file', file]),
  );
}

/** Forgets every deployment; a proxy that runs notices at its next change. */
export async function forgetDeployments(databaseUrl: string): Promise<void> {
  await psql(databaseUrl, ['--command', 'DELETE FROM "LiteLLM_ProxyModelTable"']);
}

async function psql(databaseUrl: string, what: readonly string[]): Promise<void> {
  const options = ['--quiet', '--no-psqlrc', '--set', 'ON_ERROR_STOP=1', '--dbname', databaseUrl];
  await promisify(execFile)('psql', [...options, ...what], {
    timeout: 120_000,
    env: { ...process.env, PGOPTIONS: '--client-min-messages=warning' },
  });
}

/** Starts LiteLLM's proxy on a free port of the loopback and waits until it has its database. */
export async function startLitellm(settings: LitellmSettings): Promise<RunningServer> {
  const { installed, folder, databaseUrl, token, config = '' } = settings;
  const port = await freePort();
  const path = join(folder, `litellm-${port}.yaml`);
  await writeFile(path, `general_settings: { store_model_in_db: true, master_key: ${token} }\n${config}`);
  const child = spawn(installed.program, ['--config', path, '--host', '127.0.0.1', '--port', `${port}`], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, as the query engine is a process of its own
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      PRISMA_QUERY_ENGINE_BINARY: installed.queryEngine,
      DISABLE_SCHEMA_UPDATE: 'true',
      LITELLM_LOCAL_MODEL_COST_MAP: 'True', // else it asks GitHub
      LITELLM_SALT_KEY: 'sk-salt',
    },
  });
  const logTail = keepLogTail(child);
  const stop = stopper(child);
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(child, url);
  } catch (cause) {
    await stop();
    throw new Error(`LiteLLM did not start:\n${logTail()}`, { cause });
  }
  return { url, pid: child.pid!, stop };
}

const startDeadlineMs = 300_000; // on a machine that does much else
const stopDeadlineMs = 15_000;
const logTailCharacters = 6_000;

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const deadline = AbortSignal.timeout(startDeadlineMs);
  while (!(await isReady(url))) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    if (deadline.aborted) throw new Error(`${url} was not ready within ${startDeadlineMs} ms`);
    await delay(200);
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health/readiness`, { signal: AbortSignal.timeout(2_000) });
    return ((await response.json()) as { db?: string }).db === 'connected';
  } catch {
    return false;
  }
}

function keepLogTail(child: ChildProcess): () => string {
  let tail = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', piece => {
      tail = `${tail}${piece}`.slice(-logTailCharacters);
    });
  return () => tail;
}

function stopper(child: ChildProcess): () => Promise<void> {
  const gone = once(child, 'close');
  const end = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, signal);
  };
  const killAtExit = () => end('SIGKILL');
  process.once('exit', killAtExit);
  return async () => {
    end('SIGTERM');
    const lastResort = setTimeout(() => end('SIGKILL'), stopDeadlineMs);
    await gone;
    clearTimeout(lastResort);
    process.off('exit', killAtExit);
  };
}
