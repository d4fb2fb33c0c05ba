import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A process of the demo: its log is a file, and its first line of JSON with `listening` says that it serves. */
export interface Running {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  /** Sends a signal; returns whether the process was still there. */
  signal(signal: NodeJS.Signals): boolean;
  /** Ends it, gently and then not; resolves once it is gone. */
  stop(): Promise<void>;
}

export interface ProcessOptions {
  readonly name: string;
  /** A TypeScript file and its arguments. */
  readonly command: readonly string[];
  readonly logFile: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const startDeadlineMs = 60_000;
const stopDeadlineMs = 8_000;

/** Starts a TypeScript program under this Node and waits until it listens. */
export async function startProcess({
  name,
  command,
  logFile,
  environment = {},
}: ProcessOptions): Promise<Running> {
  const child = spawn(process.execPath, ['--conditions=source', ...command], {
    // Standard input stays open: the demo's own programs end when it closes, also when the demo is killed.
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const exited = once(child, 'exit');
  const url = await Promise.race([
    listening(child),
    exited.then(([code, signal]) => {
      throw new Error(
        `${name} ended while it started (${signal ?? `status ${code}`}); its log is ${logFile}`,
      );
    }),
    failAfter(
      startDeadlineMs,
      `${name} did not start within ${startDeadlineMs / 1000} s; its log is ${logFile}`,
    ),
  ]).catch(error => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    name,
    url,
    pid: child.pid!,
    signal: signal => child.kill(signal),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
      await exited;
      clearTimeout(kill);
    },
  };
}

async function listening(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const address = addressIn(line);
    if (address !== undefined) return address;
  }
  return new Promise(() => undefined);
}

function addressIn(line: string): string | undefined {
  try {
    const { listening } = JSON.parse(line) as { listening?: unknown };
    return typeof listening === 'string' ? listening : undefined;
  } catch {
    return undefined;
  }
}

function failAfter(ms: number, message: string): Promise<never> {
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(message)), ms).unref();
  });
}
