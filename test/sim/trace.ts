import { readFile } from 'node:fs/promises';
import type { Problem } from '@relaycore/rules';
import type { Sizes } from './distributions.ts';
import { format } from './scenario-file.ts';

/** Requests that really came. */
export interface Trace extends Sizes {
  /** Time of each from the start of the trace, rising. */
  readonly atMs: Float64Array;
  /** After this long it starts again. */
  readonly lengthMs: number;
}

/** Adds to `problems` when there is no such trace. */
export async function loadTrace(file: string, problems: Problem[]): Promise<Trace | undefined> {
  const text = await readFile(file, 'utf8').catch(error => {
    problems.push({ path: 'arrivals.trace', message: error.message, remedy: format['arrivals.trace']! });
    return undefined;
  });
  const rows = (text ?? '')
    .split('\n')
    .filter(line => /^\d/.test(line))
    .map(line => line.split(',').map(Number));
  if (rows.some(row => row.length !== 3 || row.some(Number.isNaN)) || rows.length === 0) {
    if (text !== undefined)
      problems.push({
        path: 'arrivals.trace',
        message: 'holds no requests',
        remedy: format['arrivals.trace']!,
      });
    return undefined;
  }
  const atMs = new Float64Array(rows.length);
  for (const [index, row] of rows.entries()) atMs[index] = (atMs[index - 1] ?? 0) + row[0]!;
  const meanGap = atMs.at(-1)! / Math.max(1, rows.length - 1);
  return {
    atMs,
    context: Uint32Array.from(rows, row => row[1]!),
    generated: Uint32Array.from(rows, row => row[2]!),
    lengthMs: atMs.at(-1)! + Math.max(1, meanGap),
  };
}
