import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exampleText } from './example.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relaycore-simulate-'));
  await writeFile(join(folder, 'good.yml'), exampleText({ policy: {} }));
  await writeFile(join(folder, 'bad.yml'), exampleText({ policy: {}, rates: 0, repeats: 3 }));
});
afterAll(() => rm(folder, { recursive: true }));

async function simulate(...args: string[]) {
  const child = spawn(process.execPath, ['--conditions=source', main, ...args], { timeout: 30_000 });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', reject);
  });
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

test('prints a table and writes the report', async () => {
  const report = join(folder, 'report.json');
  const { code, stdout } = await simulate(
    join(folder, 'good.yml'),
    '--detector',
    'ours,wilson-5',
    '--repeat',
    '2',
    '--report',
    report,
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/^example +ours +critical +10 /m);
  const { results } = JSON.parse(await readFile(report, 'utf8'));
  expect(results).toMatchObject([
    { scenario: 'example', rate: 10, detector: 'ours', repeats: 2, incidents: 2, recall: 1 },
    { scenario: 'example', rate: 10, detector: 'wilson-5' },
  ]);
});

test('a bad scenario is refused with all its problems', async () => {
  const { code, stderr } = await simulate(join(folder, 'bad.yml'));
  expect(code).toBe(1);
  expect(stderr).toContain('bad.yml cannot be simulated');
  expect(stderr).toMatch(/rates: .*\n +rates takes requests a second/);
  expect(stderr).toMatch(/repeats: is not a key/);
});

test.each([
  [['--detector', 'oracle'], /there is no "oracle"; known: ours, naive/],
  [['--repeat', 'many'], /"many" is no whole number from 1 on/],
  [['--reprot', 'x'], /--reprot/],
  [['--paths', '9'], /--paths: "9" says nothing beside scenarios/],
  [['--guarantee', '--repeat', '9'], /--repeat: "9" says nothing beside --guarantee/],
  [['--guarantee', '--years', '0'], /"0" is no whole number from 1 on/],
])('%j is refused', async (args, words) => {
  const { code, stderr } = await simulate(...args);
  expect(code).toBe(2);
  expect(stderr).toMatch(words);
});

test('the help names every option, the format every key', async () => {
  expect((await simulate('--help')).stdout).toMatch(
    /--detector[\s\S]*--repeat[\s\S]*--seed[\s\S]*--report[\s\S]*--guarantee[\s\S]*--paths/,
  );
  expect((await simulate('--format')).stdout).toMatch(/labels_per_request[\s\S]*scrape\.jitter/);
});
