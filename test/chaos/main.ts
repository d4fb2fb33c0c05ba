import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runAll } from '../sim/pool.ts';
import { scriptOf } from './episodes.ts';
import { invariants } from './invariants.ts';
import { describeCoverage, describeFailure, reportOf, totalOf } from './report.ts';
import { shortest } from './shorten.ts';
import { type Played, play } from './world.ts';

const usage = `npm run chaos -- [options]

Plays the whole controller, with everything around it going wrong, and checks after every step what must always hold:
${Object.values(invariants)
  .map(words => `  - ${words}`)
  .join('\n')}

Each seed is half an hour of simulated time, and the same seed plays the same, step by step. Ends with 1 when something
did not hold; then each such seed is told with the shortest list of what has to happen for it.

  --seeds N      how many seeds (default 300; --rounds is the same)
  --seed S       the first one (default 1); without --seeds only this one
  --trace        everything that happened in that one
  --report FILE  write the results as JSON
  --threads N    default: one a core
  --help         this text
`;

interface Options {
  readonly first: number;
  readonly count: number;
  readonly trace: boolean;
  readonly threads: number;
  readonly report?: string;
}

class UsageError extends Error {}

/** Of more seeds that failed the numbers say enough. */
const mostTold = 3;

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`chaos: ${error instanceof Error ? error.message : error}`);
  if (error instanceof UsageError) console.error('chaos: npm run chaos -- --help says what can be given');
  return error instanceof UsageError ? 2 : 1;
});

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  const { first, count, trace, threads, report } = options;
  const begun = performance.now();
  const played = trace
    ? [await play(scriptOf(first), { withAccount: true })]
    : await playAll(first, count, threads);
  const seconds = (performance.now() - begun) / 1000;
  if (trace) console.log(played[0]!.account.join('\n'));
  const failed = played.filter(({ violation }) => violation);
  for (const { seed } of failed.slice(0, mostTold))
    console.log(`\n${describeFailure(await shortest(scriptOf(seed)))}`);
  console.log(`\n${describeCoverage(totalOf(played))}`);
  console.log(
    `${count} seeds in ${Math.round(seconds)} s, ${(count / seconds).toFixed(1)} a second; ${failed.length} failed${failed.length > 0 ? `: ${failed.map(({ seed }) => seed).join(', ')}` : ''}; the slowest recovery took ${Math.max(...played.map(({ recoverMs }) => recoverMs)) / 1000} s`,
  );
  if (report !== undefined) await writeFile(report, `${JSON.stringify(reportOf(played), undefined, 2)}\n`);
  return failed.length > 0 ? 1 : 0;
}

function playAll(first: number, count: number, threads: number): Promise<Played[]> {
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  const progress = showProgress(count);
  return runAll(new URL('worker.ts', import.meta.url), undefined, seeds, threads, progress);
}

function readOptions(argv: readonly string[]): Options | undefined {
  const { help, seed, seeds, rounds, trace = false, report, threads } = parsed(argv);
  if (help) return undefined;
  if (seeds !== undefined && rounds !== undefined)
    throw new UsageError('--seeds and --rounds are the same: give one of them');
  const many = seeds ?? rounds ?? (seed === undefined ? '300' : '1');
  const count = wholeNumber('seeds', many, 1);
  if (trace && (count > 1 || seed === undefined))
    throw new UsageError('--trace tells of one seed: give it with --seed S');
  return {
    first: wholeNumber('seed', seed ?? '1', 0),
    count,
    trace,
    threads: wholeNumber('threads', threads ?? String(availableParallelism()), 1),
    ...(report !== undefined && { report }),
  };
}

function parsed(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    seeds: text,
    rounds: text,
    seed: text,
    threads: text,
    report: text,
    trace: flag,
    help: flag,
  };
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(option: string, written: string, least: number): number {
  const value = Number(written);
  if (written.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new UsageError(`--${option}: "${written}" is no whole number from ${least} on`);
  return value;
}

/** On a terminal one line that moves; elsewhere a line at every tenth. */
function showProgress(count: number): () => void {
  const begun = performance.now();
  const { stderr } = process;
  let [done, shown] = [0, 0];
  return () => {
    const share = ++done / count;
    const parts = Math.floor(share * (stderr.isTTY ? 100 : 10));
    if (parts === shown) return;
    shown = parts;
    const seconds = Math.round((performance.now() - begun) / 1000);
    const text = `chaos: ${Math.floor(100 * share)} % after ${seconds} s`;
    stderr.write(stderr.isTTY ? `\r${text}${share === 1 ? '\n' : ''}` : `${text}\n`);
  };
}
