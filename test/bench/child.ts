import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const deadlineMs = 120_000;

/** Runs a script in a process of its own, whose memory nothing else has touched, and takes the number it prints. */
export async function measuredInChild(
  script: string,
  scriptArguments: readonly string[],
  nodeOptions: readonly string[] = [],
): Promise<number> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=source', '--expose-gc', ...nodeOptions, script, ...scriptArguments],
    { timeout: deadlineMs },
  );
  const figure = Number(stdout);
  if (stdout.trim() === '' || !Number.isFinite(figure))
    throw new Error(`${script} ${scriptArguments.join(' ')} printed no number but "${stdout}"`);
  return figure;
}

/** Bytes that are in use after everything unreachable was collected; needs `--expose-gc`. */
export function bytesInUse(): number {
  globalThis.gc!();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
