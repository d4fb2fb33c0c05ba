import { readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type DetectorName, detectorNames } from './detectors.ts';
import { goalsOf, goalsTable } from './goals.ts';
import { guarantee } from './guarantee/guarantee.ts';
import { guaranteeTables } from './guarantee/table.ts';
import { loadScenario, type Scenario } from './scenario.ts';
import { format } from './scenario-file.ts';
import { simulate } from './simulate.ts';
import { tableOf } from './table.ts';

const shipped = new URL('scenarios/', import.meta.url);

const usage = `npm run simulate -- [FILE…] [options]
npm run simulate -- --guarantee [options]

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

With --guarantee it shows that the false-alarm budgets are kept by a model whose requests all lie exactly at the
threshold: one alarm in 1000 years by importance sampling, checked against plain simulation where alarms are frequent,
and one a year by playing model-years. About three hours of one core; exit code 1 where it is not shown, as for a few
boundaries with 200 paths, whose intervals are too wide.

  --paths N          paths of importance sampling at each boundary (default 500)
  --years N          model-years to play at each rate (default 15)
`;

type Options = ScenarioOptions | GuaranteeOptions;

interface ScenarioOptions extends CommonOptions {
  readonly kind: 'scenarios';
  readonly files: readonly string[];
  readonly detectors: readonly DetectorName[];
  readonly repeat?: number;
  readonly healthyYears?: number;
}

interface GuaranteeOptions extends CommonOptions {
  readonly kind: 'guarantee';
  readonly paths: number;
  readonly years: number;
}

interface CommonOptions {
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
  switch (options.kind) {
    case 'scenarios':
      return playScenarios(options);
    case 'guarantee':
      return showGuarantee(options);
  }
}

async function playScenarios({ files, report, ...how }: ScenarioOptions): Promise<number> {
  const scenarios = await loadAll(files);
  const results = await simulate(scenarios, { ...how, progress: showProgress() });
  const goals = goalsOf(results);
  console.log(tableOf(results));
  if (goals.length > 0) console.log(`\n${goalsTable(goals)}`);
  await writeReport(report, { results, goals });
  return 0;
}

async function showGuarantee({ report, ...how }: GuaranteeOptions): Promise<number> {
  const shown = await guarantee({ ...how, progress: showProgress });
  console.log(guaranteeTables(shown));
  await writeReport(report, shown);
  return shown.notShown.length === 0 ? 0 : 1;
}

async function writeReport(file: string | undefined, content: object): Promise<void> {
  if (file !== undefined) await writeFile(file, `${JSON.stringify(content, undefined, 2)}\n`);
}

function readOptions(argv: readonly string[]): Options | string {
  const { values, positionals } = parsed(argv);
  if (values.help) return usage;
  if (values.format) return formatHelp();
  const common = {
    seed: wholeNumber('seed', values.seed ?? '1', 0),
    threads: wholeNumber('threads', values.threads ?? String(availableParallelism()), 1),
    ...(values.report !== undefined && { report: values.report }),
  };
  if (values.guarantee) {
    refuseBeside('--guarantee', {
      FILE: positionals[0],
      '--detector': values.detector,
      '--repeat': values.repeat,
      '--healthy-years': values['healthy-years'],
    });
    const paths = wholeNumber('paths', values.paths ?? '500', 2);
    return { kind: 'guarantee', ...common, paths, years: wholeNumber('years', values.years ?? '15', 1) };
  }
  refuseBeside('scenarios', { '--paths': values.paths, '--years': values.years });
  return {
    kind: 'scenarios',
    ...common,
    files: positionals,
    detectors: detectorsOf(values.detector ?? 'ours,naive'),
    ...(values.repeat !== undefined && { repeat: wholeNumber('repeat', values.repeat, 1) }),
    ...(values['healthy-years'] !== undefined && {
      healthyYears: wholeNumber('healthy-years', values['healthy-years'], 1),
    }),
  };
}

function refuseBeside(what: string, given: Readonly<Record<string, string | undefined>>): void {
  for (const [option, value] of Object.entries(given))
    if (value !== undefined) throw new UsageError(`${option}: "${value}" says nothing beside ${what}`);
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
        guarantee: flag,
        paths: text,
        years: text,
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
function showProgress(part?: string): (share: number) => void {
  const begun = performance.now();
  const { stderr } = process;
  let shown = 0;
  return share => {
    const parts = Math.floor(share * (stderr.isTTY ? 100 : 10));
    if (parts === shown) return;
    shown = parts;
    const seconds = Math.round((performance.now() - begun) / 1000);
    const text = `simulate: ${part === undefined ? '' : `${part}: `}${Math.floor(100 * share)} % after ${seconds} s`;
    stderr.write(stderr.isTTY ? `\r${text}${share === 1 ? '\n' : ''}` : `${text}\n`);
  };
}
