import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installLitellm } from './litellm-install.ts';
import { resultsIn, tableOf } from './table.ts';

const usage = `npm run test:counterparts -- [options]

Holds the drivers and the fakes of their tests to the products themselves: LiteLLM from PyPI, installed into .cache.

  --report FILE  write the results as JSON
  --help         this text
`;

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`counterparts: ${error instanceof Error ? error.message : error}`);
  return 1;
});

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { report: { type: 'string' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  await installLitellm(line => console.error(`counterparts: ${line}`));
  const folder = await mkdtemp(join(tmpdir(), 'counterparts-'));
  try {
    const report = join(folder, 'report.json');
    const code = await runTests(report);
    const results = resultsIn(await readFile(report, 'utf8'));
    console.log(tableOf(results));
    if (values.report !== undefined)
      await writeFile(values.report, `${JSON.stringify({ results }, undefined, 2)}\n`);
    return code;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runTests(report: string): Promise<number> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const vitest = spawn('vitest', ['run', '--config', 'test/counterparts/vitest.config.ts', ...reporters], {
    stdio: 'inherit',
  });
  const [code] = await once(vitest, 'close');
  return code ?? 1;
}
