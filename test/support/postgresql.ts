import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './servers.ts';

/** A real PostgreSQL that a test started: one cluster a test file, a fresh database a test. */
export interface RunningPostgresql {
  readonly port: number;
  /** The server's own process; its connections are children of it. */
  readonly pid: number;
  /** Creates an empty database and returns its `postgresql://` address. */
  freshDatabase(): Promise<string>;
  /** Breaks all connections and ends the process; resolves once it is gone. Calling it twice is allowed. */
  stop(): Promise<void>;
}

export interface PostgresqlOptions {
  /** A folder of the test's own. Give the old one, with the old port, to start a cluster again. */
  readonly folder: string;
  readonly port?: number;
}

/** Starts PostgreSQL of the Debian package (or on the PATH) on the loopback and waits until it accepts connections. */
export async function startPostgresql({ folder, port }: PostgresqlOptions): Promise<RunningPostgresql> {
  const user = await unprivilegedUser();
  const data = join(folder, 'postgresql-data');
  await mkdir(folder, { recursive: true });
  if (user) await chown(folder, user.uid, user.gid);
  if (!existsSync(data)) await createCluster(data, user);
  const at = port ?? (await freePort());
  const server = spawn(program('postgres'), serverArguments(data, at), {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  });
  const stop = stopper(server);
  await untilAccepting(server).catch(async error => {
    await stop();
    throw error;
  });
  let databases = 0;
  return {
    port: at,
    pid: server.pid!,
    async freshDatabase() {
      const name = `test_${process.pid}_${Date.now()}_${databases++}`;
      const connection = ['--host=127.0.0.1', `--port=${at}`, '--username=postgres', '--no-password'];
      await run(program('createdb'), [...connection, '--template=template0', name], { timeout: 20_000 });
      return `postgresql://postgres@127.0.0.1:${at}/${name}`;
    },
    stop,
  };
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);
const startDeadlineMs = 30_000;
const stopDeadlineMs = 10_000;

/** PostgreSQL refuses to run as root; the package's own user is there for that. */
async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async id => (await run('id', [id, 'postgres'])).stdout),
  );
  return { uid: Number(uid), gid: Number(gid) };
}

async function createCluster(data: string, user: User | undefined): Promise<void> {
  const options = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  await run(program('initdb'), [`--pgdata=${data}`, ...options], { cwd: '/', timeout: 60_000, ...user });
}

/** No socket in the file system, and no waiting for the disk: the tests end processes, not machines. */
function serverArguments(data: string, port: number): string[] {
  const settings = { unix_socket_directories: '', fsync: 'off', shared_buffers: '16MB' };
  return [
    ...['-D', data, '-h', '127.0.0.1', '-p', `${port}`],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

async function untilAccepting(server: ChildProcess): Promise<void> {
  const deadline = AbortSignal.timeout(startDeadlineMs);
  let log = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const refuse = (what: string) => reject(new Error(`PostgreSQL ${what}:\n${log}`));
  server.stderr!.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4_000);
    if (log.includes('ready to accept connections')) resolve();
  });
  server.once('error', reject);
  server.once('exit', code => refuse(`ended with ${code} before it was ready`));
  deadline.addEventListener('abort', () => refuse(`was not ready within ${startDeadlineMs} ms`));
  return promise;
}

/** SIGINT is the fast shutdown: it breaks the connections that are open, and leaves a cluster that starts again. */
function stopper(server: ChildProcess): () => Promise<void> {
  const gone = once(server, 'close').then(() => undefined);
  gone.catch(() => undefined);
  const killAtExit = () => server.kill('SIGQUIT');
  process.once('exit', killAtExit);
  return async () => {
    const hasExited = server.exitCode !== null || server.signalCode !== null || server.pid === undefined;
    if (!hasExited) server.kill('SIGINT');
    const lastResort = setTimeout(() => server.kill('SIGQUIT'), stopDeadlineMs);
    if (server.pid !== undefined) await gone;
    clearTimeout(lastResort);
    process.off('exit', killAtExit);
  };
}

/** The newest of Debian's versions, which stand beside each other outside the PATH, else what the PATH has. */
function program(name: string): string {
  const packaged = '/usr/lib/postgresql';
  const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = versions.map(version => join(packaged, version, 'bin'));
  const onPath = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '');
  const found = [...folders, ...onPath].map(folder => join(folder, name)).find(path => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(`${name} of PostgreSQL was not found in ${packaged} or on the PATH: install postgresql`);
}
