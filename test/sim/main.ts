import { readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type DetectorName, detectorNames } from './detectors.ts';
import { goalsOf, goalsTable } from './goals.ts';
import { loadScenario, type Scenario } from './scenario.ts';
import { format } from './scenario-file.ts';
import { simulate } from './simulate.ts';
import { tableOf } from './table.ts';

const shipped = new URL('scenarios/', import.meta.url);

const usage = `npm run simulate -- [FILE…] [options]

Drives the controller's own detector and decisions through simulated traffic and counts what matters: false alarms per
model-year, recall, delay beside the best that any method can have, switches, failed requests. Without files: all
scenarios of test/sim/scenarios.

  --detector NAMES   ${detectorNames.join(', ')}; default ours,naive
  --repeat N         seeds of each run, in place of what the scenarios say
  --healthy-years N  the first detector watches each healthy model for at least so many model-years
  --seed S           another number gives other random numbers (default 1); the same one gives the same report
  --report FILE      write the results as JSON
  --threads N        default: one a core
  --format           what a scenario file may say
  --help             this text
`;

interface Options {
  readonly files: readonly string[];
  readonly detectors: readonly DetectorName[];
  readonly repeat?: number;
  readonly healthyYears?: number;
  readonly seed: number;
  readonly threads: number;
  readonly report?: string;
}

class UsageError extends Error {}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`simulate: ${error instanceof Error ? error.message : error}`);
  if (error instanceof UsageError)
    console.error('simulate: npm run simulate -- --help says what can be given');
  return error instanceof UsageError ? 2 : 1;
});

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (typeof options === 'string') {
    console.log(options);
    return 0;
  }
  const scenarios = await loadAll(options.files);
  const { report, ...how } = options;
  const results = await simulate(scenarios, { ...how, progress: showProgress() });
  const goals = goalsOf(results);
  console.log(tableOf(results));
  if (goals.length > 0) console.log(`\n${goalsTable(goals)}`);
  if (report !== undefined) await writeFile(report, `${JSON.stringify({ results, goals }, undefined, 2)}\n`);
  return 0;
}

function readOptions(argv: readonly string[]): Options | string {
  const { values, positionals } = parsed(argv);
  if (values.help) return usage;
  if (values.format) return formatHelp();
  return {
    files: positionals,
    detectors: detectorsOf(values.detector ?? 'ours,naive'),
    seed: wholeNumber('seed', values.seed ?? '1', 0),
    threads: wholeNumber('threads', values.threads ?? String(availableParallelism()), 1),
    ...(values.repeat !== undefined && { repeat: wholeNumber('repeat', values.repeat, 1) }),
    ...(values['healthy-years'] !== undefined && {
      healthyYears: wholeNumber('healthy-years', values['healthy-years'], 1),
    }),
    ...(values.report !== undefined && { report: values.report }),
  };
}

function parsed(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        detector: text,
        repeat: text,
        'healthy-years': text,
        seed: text,
        threads: text,
        report: text,
        format: flag,
        help: flag,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function detectorsOf(written: string): DetectorName[] {
  const names = written.split(',').map(name => name.trim());
  for (const name of names)
    if (!detectorNames.some(known => known === name))
      throw new UsageError(`--detector: there is no "${name}"; known: ${detectorNames.join(', ')}`);
  return [...new Set(names as DetectorName[])];
}

function wholeNumber(option: string, written: string, least: number): number {
  const value = Number(written);
  if (written.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new UsageError(`--${option}: "${written}" is no whole number from ${least} on`);
  return value;
}

function formatHelp(): string {
  const width = Math.max(...Object.keys(format).map(key => key.length));
  return [
    'A scenario file (YAML). Times are 250ms, 30s, 5m, 12h, 30d or seconds.',
    '',
    ...Object.entries(format).map(([key, takes]) => `  ${key.padEnd(width)}  ${takes}`),
  ].join('\n');
}

/** All problems of all files at once. */
async function loadAll(files: readonly string[]): Promise<Scenario[]> {
  const paths = files.length > 0 ? files : await shippedFiles();
  const loaded = await Promise.allSettled(paths.map(loadScenario));
  const refused = loaded.flatMap(one => (one.status === 'rejected' ? [one.reason] : []));
  if (refused.length > 0)
    throw new Error(
      refused.map(reason => (reason instanceof Error ? reason.message : String(reason))).join('\n\n'),
    );
  return loaded.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
}

async function shippedFiles(): Promise<string[]> {
  const names = (await readdir(shipped)).filter(name => name.endsWith('.yml')).sort();
  return names.map(name => fileURLToPath(new URL(name, shipped)));
}

/** On a terminal one line that moves; elsewhere a line at every tenth. */
function showProgress(): (share: number) => void {
  const begun = performance.now();
  const { stderr } = process;
  let shown = 0;
  return share => {
    const parts = Math.floor(share * (stderr.isTTY ? 100 : 10));
    if (parts === shown) return;
    shown = parts;
    const seconds = Math.round((performance.now() - begun) / 1000);
    const text = `simulate: ${Math.floor(100 * share)} % after ${seconds} s`;
    stderr.write(stderr.isTTY ? `\r${text}${share === 1 ? '\n' : ''}` : `${text}\n`);
  };
}
