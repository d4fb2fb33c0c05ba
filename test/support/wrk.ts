import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

/** What a load was answered. */
export interface LoadReport {
  readonly requests: number;
  /** Answers other than 2xx and 3xx, and requests without an answer. */
  readonly failed: number;
}

export interface Load {
  /** Lets the requests in flight end, and counts. */
  stop(): Promise<LoadReport>;
}

const longestSeconds = 600;

/** wrk: requests one after the other over each of so many connections, as fast as they are answered. */
export async function startLoad(url: string, connections: number): Promise<Load> {
  const options = ['--threads', '1', '--connections', `${connections}`, '--duration', `${longestSeconds}s`];
  const wrk = spawn('wrk', [...options, '--timeout', '5s', url], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(wrk, 'spawn');
  const killAtExit = () => wrk.kill('SIGKILL');
  process.once('exit', killAtExit);
  const output = text(wrk.stdout);
  return {
    async stop() {
      wrk.kill('SIGINT'); // it ends the test and reports
      const report = reportIn(await output);
      process.off('exit', killAtExit);
      return report;
    },
  };
}

export interface LoadFigures {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
}

/** wrk for so many seconds. Throws when a request failed: then the figures say nothing. */
export async function measureLoad(
  url: string,
  { connections, seconds }: { readonly connections: number; readonly seconds: number },
): Promise<LoadFigures> {
  const options = [
    '--threads',
    '1',
    '--connections',
    `${connections}`,
    '--duration',
    `${seconds}s`,
    '--latency',
  ];
  const { stdout } = await promisify(execFile)('wrk', [...options, url], { timeout: (seconds + 30) * 1_000 });
  const { requests, failed } = reportIn(stdout);
  if (failed > 0) throw new Error(`requests to ${url} failed:\n${stdout}`);
  const [, rate] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? [];
  const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  if (rate === undefined || p99 === undefined) throw new Error(`wrk said nothing of latency:\n${stdout}`);
  return {
    requests,
    requestsPerSecond: Number(rate),
    p99Ms: Number(p99) * { us: 0.001, ms: 1, s: 1_000 }[unit as 'us'],
  };
}

function reportIn(output: string): LoadReport {
  const requests = /(\d+) requests in/.exec(output);
  if (!requests) throw new Error(`wrk said nothing of requests:\n${output}`);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output) ?? [];
  const other = /Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? '0';
  const failed = [...errors.slice(1), other].map(Number).reduce((sum, count) => sum + count);
  return { requests: Number(requests[1]), failed };
}
