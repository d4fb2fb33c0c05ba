import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installLitellm } from './litellm-install.ts';
import { resultsIn, suiteTable, tableOf } from './table.ts';

const usage = `npm run test:counterparts -- [options]

Holds the drivers and the fakes of their tests to the products themselves: LiteLLM from PyPI, installed into .cache.
Then every driver by every case of the suite that all of them pass, the product's column beside its fake's.

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
    const [report, drivers] = [join(folder, 'report.json'), join(folder, 'drivers.json')];
    const code = await runTests(['--config', 'test/counterparts/vitest.config.ts'], report);
    const codeOfDrivers = await runTests(
      ['--config', 'test/vitest.config.ts', '--project', 'unit', 'controller/src/apply/drivers.test.ts'],
      drivers,
    );
    const ofProducts = await readFile(report, 'utf8');
    const results = resultsIn(ofProducts);
    console.log(tableOf(results));
    console.log(`\n${suiteTable(await readFile(drivers, 'utf8'), ofProducts)}`);
    if (values.report !== undefined)
      await writeFile(values.report, `${JSON.stringify({ results }, undefined, 2)}\n`);
    return code || codeOfDrivers;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runTests(which: readonly string[], report: string): Promise<number> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const vitest = spawn('vitest', ['run', ...which, ...reporters], { stdio: 'inherit' });
  const [code] = await once(vitest, 'close');
  return code ?? 1;
}
