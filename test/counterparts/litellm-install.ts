import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * LiteLLM's proxy from PyPI, with Prisma's engine for WebAssembly from npm. It goes into `.cache`, once, and takes
 * about 800 MB there.
 */

const versions = {
  litellm: 'litellm[proxy]==1.106.2',
  client: 'prisma==0.15.0',
  engine: ['@prisma/client@5.17.0', '@prisma/adapter-pg@5.17.0', 'pg@8.13.1'], // as that client wants it
};

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where things are after an installation. */
export interface InstalledLitellm {
  /** The program `litellm`. */
  readonly program: string;
  /** What the Python client starts as Prisma's query engine. */
  readonly queryEngine: string;
  /** Folder of the SQL that makes LiteLLM's tables, one numbered folder a step. */
  readonly migrations: string;
}

/** @throws Error with the end of what the failing step said */
export async function installLitellm(say: (line: string) => void): Promise<InstalledLitellm> {
  const folder = join(root, '.cache', 'counterparts', 'litellm');
  const stamp = join(folder, 'installed.json');
  const wanted = JSON.stringify({ versions, folder });
  const installed = placesIn(folder, await packagesIn(folder));
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === wanted) return installed;
  await mkdir(folder, { recursive: true });
  say(`installing ${versions.litellm} into ${folder} (once; some minutes, 800 MB)`);
  await run('python3', ['-m', 'venv', join(folder, 'venv')]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  await run(join(folder, 'venv/bin/python'), [...pip, versions.litellm, versions.client]);
  say("installing Prisma's query engine for WebAssembly from npm");
  await mkdir(join(folder, 'engine'), { recursive: true });
  await writeFile(join(folder, 'engine/package.json'), '{ "private": true }\n');
  const npm = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  await run('npm', [...npm, '--prefix', join(folder, 'engine'), ...versions.engine]);
  say("generating Prisma's client for LiteLLM's tables");
  const complete = placesIn(folder, await packagesIn(folder));
  await generateClient(folder, complete.queryEngine);
  await writeFile(stamp, wanted);
  return complete;
}

/** Where this Python keeps its packages; it has its version in its path. */
async function packagesIn(folder: string): Promise<string> {
  const python = join(folder, 'venv/bin/python');
  if (!existsSync(python)) return '';
  return (await run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'])).trim();
}

const placesIn = (folder: string, packages: string): InstalledLitellm => ({
  program: join(folder, 'venv/bin/litellm'),
  queryEngine: join(folder, 'query-engine'),
  migrations: join(packages, 'litellm_proxy_extras/migrations'),
});

/** The client's generator asks for binaries of every platform that the schema names; this one is enough. */
async function generateClient(folder: string, queryEngine: string): Promise<void> {
  await writeQueryEngine(folder, queryEngine);
  const schema = await readFile(join(await packagesIn(folder), 'litellm/proxy/schema.prisma'), 'utf8');
  const path = join(folder, 'schema.prisma');
  await writeFile(path, schema.replace(/^\s*binaryTargets = .*$/m, ''));
  await run(join(folder, 'venv/bin/prisma'), ['generate', '--schema', path], {
    PATH: `${join(folder, 'venv/bin')}:${process.env.PATH}`,
    PRISMA_HOME_DIR: folder,
    PRISMA_QUERY_ENGINE_BINARY: queryEngine,
    PRISMA_SCHEMA_ENGINE_BINARY: queryEngine,
    PRISMA_ENGINES_CHECKSUM_IGNORE_MISSING: '1',
  });
}

async function writeQueryEngine(folder: string, path: string): Promise<void> {
  const script = fileURLToPath(new URL('query-engine.ts', import.meta.url));
  const packages = join(folder, 'engine');
  await writeFile(
    path,
    `#!/bin/sh\nENGINE_PACKAGES='${packages}' exec '${process.execPath}' '${script}' "$@"\n`,
  );
  await chmod(path, 0o755);
}

/** Runs to the end and gives what it printed; a step may take so long as a slow network needs. */
async function run(
  program: string,
  given: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const child = spawn(program, given, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: stepTimeoutMs,
  });
  let printed = '';
  let complaints = '';
  child.stdout.on('data', piece => (printed += piece));
  child.stderr.on('data', piece => (complaints += piece));
  const [code] = await once(child, 'close');
  if (code === 0) return printed;
  throw new Error(
    `${program} ${given.join(' ')} ended with ${code}:\n${(printed + complaints).slice(-3_000)}`,
  );
}

const stepTimeoutMs = 1_800_000;
