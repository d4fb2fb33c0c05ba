import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

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

function reportIn(output: string): LoadReport {
  const requests = /(\d+) requests in/.exec(output);
  if (!requests) throw new Error(`wrk said nothing of requests:\n${output}`);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output) ?? [];
  const other = /Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? '0';
  const failed = [...errors.slice(1), other].map(Number).reduce((sum, count) => sum + count);
  return { requests: Number(requests[1]), failed };
}
