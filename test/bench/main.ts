import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { benchmarks } from './benchmarks.ts';
import type { Result } from './side-by-side.ts';
import { tableOf } from './table.ts';

const names = Object.keys(benchmarks);
const width = Math.max(...names.map(name => name.length));

const usage = `npm run bench -- [NAME…] [options]

Measures ours and its peers side by side, in one run. Without names: all of

${names.map(name => `  ${name.padEnd(width)}  ${benchmarks[name]!.about}`).join('\n')}

  --report FILE  write the results as JSON
  --help         this text
`;

interface Options {
  readonly names: readonly string[];
  readonly report?: string;
}

class UsageError extends Error {}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  if (error instanceof UsageError) console.error('bench: npm run bench -- --help says what can be given');
  return error instanceof UsageError ? 2 : 1;
});

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (options === 'help') {
    console.log(usage);
    return 0;
  }
  const results: Result[] = [];
  for (const name of options.names)
    results.push(...(await benchmarks[name]!.run(line => console.error(`bench: ${line}`))));
  console.log(tableOf(results));
  if (options.report !== undefined)
    await writeFile(options.report, `${JSON.stringify({ results }, undefined, 2)}\n`);
  return 0;
}

function readOptions(argv: readonly string[]): Options | 'help' {
  const { values, positionals } = parsed(argv);
  if (values.help) return 'help';
  const unknown = positionals.filter(name => !Object.hasOwn(benchmarks, name));
  if (unknown.length > 0)
    throw new UsageError(`there is no benchmark "${unknown.join('", "')}"; known: ${names.join(', ')}`);
  return {
    names: positionals.length > 0 ? [...new Set(positionals)] : names,
    ...(values.report !== undefined && { report: values.report }),
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { report: { type: 'string' }, help: { type: 'boolean' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
