import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../test/support/servers.ts';

/* The package as npm would publish it, installed into an empty project. */

const workspace = fileURLToPath(new URL('..', import.meta.url));
const project = fileURLToPath(new URL('../..', import.meta.url));
const compiler = join(project, 'node_modules/.bin/tsc');
const run = promisify(execFile);

/** The compiler takes seconds, twice; npm a minute where its cache is empty. */
const timeoutMs = 300_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neuroweaver-package-'));
  const built = join(folder, 'built');
  await mkdir(built);
  await run(compiler, [
    '-p',
    workspace,
    '--outDir',
    join(built, 'dist'),
    '--tsBuildInfoFile',
    join(folder, 'info'),
  ]);
  for (const file of ['package.json', 'README.md']) await cp(join(workspace, file), join(built, file));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: built });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await write('package.json', '{ "private": true }');
  const { devDependencies } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
  const packages = [join(folder, filename), `@types/node@${devDependencies['@types/node']}`];
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages], plainly());
}, timeoutMs);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(file: string, text: string): Promise<string> {
  await writeFile(join(folder, file), text);
  return file;
}

const use = `
  const ml = init({ port: 0 });
  const model = ml.model({ name: 'spam', version: '1', operation: 'classify', provider: 'example' });
  model.end(model.start());
  ml.ready.then(async () => {
    const page = await (await fetch(String(ml.endpoint))).text();
    console.log(page.split('\\n').find(line => /^ml_server_requests_total.*outcome="ok"/.test(line))?.split(' ').at(-1));
    await ml.shutdown();
  });`;

test.each([
  { file: 'use.mjs', text: `import { init } from '@neuroweaver/instrumentation';${use}` },
  { file: 'use.cjs', text: `const { init } = require('@neuroweaver/instrumentation');${use}` },
])('$file runs', { timeout: timeoutMs }, async ({ file, text }) => {
  const { stdout, stderr } = await run(process.execPath, [await write(file, text)], plainly());
  expect(stderr).toBe('');
  expect(stdout.trim()).toBe('1');
});

test('the register entry runs', { timeout: timeoutMs }, async () => {
  const port = String(await freePort());
  const file = await write(
    'server.cjs',
    `fetch('http://127.0.0.1:${port}/metrics').then(({ status }) => console.log(status));`,
  );
  const entry = ['--import', '@neuroweaver/instrumentation/register', file];
  const { stdout, stderr } = await run(
    process.execPath,
    entry,
    plainly({ OTEL_EXPORTER_PROMETHEUS_PORT: port }),
  );
  expect(stderr).toBe('');
  expect(stdout.trim()).toBe('200');
});

test('its types hold in a strict project, for modules and CommonJS', { timeout: timeoutMs }, async () => {
  const typed = `
    const ml = init({ serviceName: 'spam' });
    export const same: { run(): Promise<number> } = wrap({ run: async () => 1 }, { ml });
    export const plugin = new NeuroweaverInstrumentation({ ml, libraries: ['openai'] });
    // @ts-expect-error There is no such library.
    export const wrong = new NeuroweaverInstrumentation({ libraries: ['tensorflow'] });`;
  const names = 'init, NeuroweaverInstrumentation, wrap';
  const files = [
    await write('typed.mts', `import { ${names} } from '@neuroweaver/instrumentation';${typed}`),
    await write('typed.cts', `import { ${names} } from '@neuroweaver/instrumentation';${typed}`),
  ];
  const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--skipLibCheck'];
  const { stdout } = await run(compiler, [...strict, '--types', 'node', ...files], { cwd: folder }).catch(
    (failed: { stdout: string }) => failed,
  );
  expect(stdout).toBe('');
});

function plainly(environment: NodeJS.ProcessEnv = {}) {
  return { cwd: folder, env: { ...process.env, NODE_OPTIONS: '', ...environment } };
}
