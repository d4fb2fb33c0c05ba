import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A real server that a test started. */
export interface RunningServer {
  /** `http://127.0.0.1:PORT` (or `tcp:`, `redis:`), without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** Ends the process; resolves once it is gone. Calling it twice is allowed. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** The text of the server's configuration file. */
  readonly config: string;
  /** A folder of the test's own, for the configuration and the data; relative paths in `config` start here. */
  readonly folder: string;
  /** Where to listen; a free port when absent. Give the old one to start a server again. */
  readonly port?: number;
}

/**
 * Starts Prometheus on a free port of the loopback and waits until it is ready. POST /-/reload is open, and remote
 * writes are received.
 * @param features that are not on by default, such as `exemplar-storage`
 */
export async function startPrometheus(
  { config, folder, port }: ServerOptions,
  features: readonly string[] = [],
): Promise<RunningServer> {
  const configPath = await writeConfig(folder, 'prometheus.yml', config);
  return startOn(port, 'Prometheus', ['prometheus'], folder, 'http', address => [
    `--config.file=${configPath}`,
    `--storage.tsdb.path=${join(folder, 'prometheus-data')}`,
    `--web.listen-address=${address}`,
    '--web.enable-lifecycle',
    '--web.enable-remote-write-receiver',
    ...features.map(feature => `--enable-feature=${feature}`),
  ]);
}

/** Starts Alertmanager on a free port of the loopback, without a cluster, and waits until it is ready. */
export async function startAlertmanager({ config, folder, port }: ServerOptions): Promise<RunningServer> {
  const configPath = await writeConfig(folder, 'alertmanager.yml', config);
  return startOn(
    port,
    'Alertmanager',
    ['alertmanager', 'prometheus-alertmanager'],
    folder,
    'http',
    address => [
      `--config.file=${configPath}`,
      `--storage.path=${join(folder, 'alertmanager-data')}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
    ],
  );
}

/**
 * Starts HAProxy with the given frontends and backends and waits until it answers at its stats socket, which is
 * `url` without its `tcp://`. The servers' weights and what the controller noted go with the process.
 */
export async function startHaproxy({ config, folder, port }: ServerOptions): Promise<RunningServer> {
  const configPath = await writeConfig(folder, 'haproxy.cfg', config);
  return startOn(port, 'HAProxy', ['haproxy'], folder, 'tcp', async address => {
    const socket = `global\n  stats socket ipv4@${address} level admin\n`;
    return ['-db', '-f', await writeConfig(folder, 'haproxy-socket.cfg', socket), '-f', configPath];
  });
}

/** Starts Redis without a file behind it: what it holds goes with the process. `config` is lines of redis.conf. */
export async function startRedis({ config, folder, port }: ServerOptions): Promise<RunningServer> {
  const configPath = await writeConfig(folder, 'redis.conf', `save ""\nappendonly no\n${config}`);
  return startOn(port, 'Redis', ['redis-server'], folder, 'redis', address => {
    const [host, number] = address.split(':');
    return [configPath, '--bind', host!, '--port', number!, '--dir', folder];
  });
}

/**
 * A port of the loopback that is free. Below the range from which systems draw the near ends of connections, so that
 * none of those takes it before the server does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}

const startDeadlineMs = 30_000;
const readyRequestTimeoutMs = 1_000;
const readyPauseMs = 50;
const stopDeadlineMs = 10_000;
const startAttempts = 3;
const logTailCharacters = 4_000;

type Arguments = (address: string) => readonly string[] | Promise<readonly string[]>;

/** Somebody else may take the port between finding and opening it; then another one is tried. */
async function startOn(
  port: number | undefined,
  name: string,
  programs: readonly string[],
  folder: string,
  protocol: Protocol,
  argumentsFor: Arguments,
): Promise<RunningServer> {
  const program = findProgram(name, programs);
  for (let attempt = 1; ; attempt++) {
    const address = `127.0.0.1:${port ?? (await freePort())}`;
    try {
      return await start(name, program, await argumentsFor(address), folder, `${protocol}://${address}`);
    } catch (error) {
      if (attempt === startAttempts || !/address already in use/i.test(`${error}`)) throw error;
    }
  }
}

async function start(
  name: string,
  program: string,
  programArguments: readonly string[],
  folder: string,
  url: string,
): Promise<RunningServer> {
  const child = spawn(program, programArguments, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  await once(child, 'spawn');
  const logTail = keepLogTail(child);
  const stop = stopper(child);
  try {
    await untilReady(child, url);
  } catch (cause) {
    await stop();
    throw new Error(`${name} did not start (${program} ${programArguments.join(' ')}):\n${logTail()}`, {
      cause,
    });
  }
  return { url, pid: child.pid!, stop };
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const deadline = AbortSignal.timeout(startDeadlineMs);
  while (!(await answersReady(url))) {
    if (hasExited(child)) throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
    if (deadline.aborted) throw new Error(`${url} was not ready within ${startDeadlineMs} ms`);
    await delay(readyPauseMs);
  }
}

/** What a server that is ready answers to: its readiness page, or a first command over a bare connection. */
type Protocol = 'http' | 'tcp' | 'redis';

async function answersReady(url: string): Promise<boolean> {
  if (url.startsWith('redis:')) return answersCommand(url, 'PING\r\n');
  if (url.startsWith('tcp:')) return answersCommand(url, 'show version\n');
  try {
    const response = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(readyRequestTimeoutMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function answersCommand(url: string, command: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), timeout: readyRequestTimeoutMs });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('data', () => resolve(true));
  for (const event of ['error', 'end', 'timeout']) socket.once(event, () => resolve(false));
  socket.write(command);
  return promise.finally(() => socket.destroy());
}

function stopper(child: ChildProcess): () => Promise<void> {
  const gone = new Promise<void>(resolve => child.once('close', () => resolve()));
  // A test process that dies must not leave its servers behind.
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  return async () => {
    if (!hasExited(child)) child.kill('SIGTERM');
    const lastResort = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
    await gone;
    clearTimeout(lastResort);
    process.off('exit', killAtExit);
  };
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Reads what the server logs, which also keeps its pipe from filling up, and remembers the end of it. */
function keepLogTail(child: ChildProcess): () => string {
  let tail = '';
  const remember = (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-logTailCharacters);
  };
  child.stdout?.on('data', remember);
  child.stderr?.on('data', remember);
  return () => tail;
}

function findProgram(name: string, programs: readonly string[]): string {
  // Debian keeps some servers where only root's PATH looks.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const found = programs
    .flatMap(program => folders.filter(Boolean).map(folder => join(folder, program)))
    .find(isExecutable);
  if (found !== undefined) return found;
  throw new Error(`${name} is not on the PATH (looked for ${programs.join(', ')}): install it and try again`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function writeConfig(folder: string, name: string, config: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  await writeFile(path, config);
  return path;
}
