import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';

/** What nvidia-smi says of one GPU; what it does not know of this one is undefined. */
export interface GpuReading {
  /** The GPU's UUID, which stays with the card. */
  readonly id: string;
  readonly name: string;
  /** In [0, 1]. */
  readonly utilization: number | undefined;
  readonly memoryUsedBytes: number | undefined;
  readonly memoryTotalBytes: number | undefined;
}

const fields = ['uuid', 'name', 'utilization.gpu', 'memory.used', 'memory.total'] as const;
const query = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'];

/**
 * Asks nvidia-smi once, without keeping this process alive for the answer; at the deadline it is killed.
 * @throws Error if it is missing (code ENOENT), fails, or is late
 */
export async function askNvidiaSmi(program: string, deadlineMs: number): Promise<readonly GpuReading[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly GpuReading[]>();
  const child = spawn(program, query, { stdio: ['ignore', 'pipe', 'ignore'] });
  const release = keepNothingAlive(child);
  const deadline = setTimeout(() => {
    child.kill('SIGKILL');
    reject(new Error(`${program} gave no answer within ${deadlineMs} ms`));
  }, deadlineMs).unref();
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    answer += text;
  });
  child.on('error', reject).on('close', code => {
    clearTimeout(deadline);
    release();
    if (code === 0) resolve(parseReadings(answer));
    else reject(new Error(`${program} ended with ${code}: ${answer.trim()}`));
  });
  return promise;
}

/** A process that ends before the answer takes nvidia-smi with it. */
function keepNothingAlive(child: ChildProcessByStdio<null, Readable, null>): () => void {
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.unref();
  if (child.stdout instanceof Socket) child.stdout.unref();
  return () => process.off('exit', kill);
}

/** Lines of comma-separated values without a header and units; a line that is no GPU's is passed over. */
export function parseReadings(csv: string): readonly GpuReading[] {
  return csv.split('\n').flatMap(line => {
    const values = line.split(',').map(value => value.trim());
    const [id, name, utilization, used, total] = values;
    if (values.length !== fields.length || !id?.startsWith('GPU-') || !name) return [];
    const percent = numberOf(utilization);
    return {
      id,
      name,
      utilization: percent === undefined ? undefined : percent / 100,
      memoryUsedBytes: bytesOf(used),
      memoryTotalBytes: bytesOf(total),
    };
  });
}

const bytesPerMebibyte = 2 ** 20;

function bytesOf(mebibytes: string | undefined): number | undefined {
  const number = numberOf(mebibytes);
  return number === undefined ? undefined : number * bytesPerMebibyte;
}

/** `[N/A]`, `[Not Supported]` and `[Unknown Error]` stand where there is no number. */
function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}
