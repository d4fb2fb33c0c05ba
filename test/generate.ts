import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compilePolicy, formatProblems, loadPolicy, policySchemaFile } from '@relaycore/rules';
import { dashboardFiles } from '../grafana/src/dashboards.ts';
import { replaceMetricsTable } from '../instrumentation/src/table.ts';

/*
 * Writes every generated file from its source. With `--check` it writes nothing, lists the files that differ from
 * their source and ends with 1.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const policyFile = 'rules/performance_thresholds.yml';
const metricsReadme = 'instrumentation/README.md';

/** Folders in which nothing but generated files may stand, with what belongs there. */
const folders: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'rules/generated': { ...compilePolicy(await shippedPolicy()), 'policy.schema.json': policySchemaFile() },
  'grafana/generated': dashboardFiles(),
};

const wanted = new Map<string, string>([
  ...Object.entries(folders).flatMap(([folder, files]) =>
    Object.entries(files).map(([name, text]): [string, string] => [`${folder}/${name}`, text]),
  ),
  [metricsReadme, replaceMetricsTable((await read(metricsReadme)) ?? '')],
]);
const outdated: string[] = [];
for (const [path, text] of wanted) if ((await read(path)) !== text) outdated.push(path);
for (const folder of Object.keys(folders))
  for (const name of await readdir(join(root, folder)).catch(() => []))
    if (!wanted.has(`${folder}/${name}`)) outdated.push(`${folder}/${name}`);

if (process.argv.includes('--check')) {
  for (const path of outdated)
    console.error(
      `${path} differs from what its source gives: run \`npm run generate\` and commit the result`,
    );
  process.exitCode = outdated.length > 0 ? 1 : 0;
} else {
  for (const path of outdated) await bringUpToDate(path, wanted.get(path));
}

async function shippedPolicy() {
  const loaded = loadPolicy((await read(policyFile)) ?? '');
  if (loaded.kind === 'ok') return loaded.policy;
  throw new Error(`${policyFile} is refused, so nothing was generated:\n${formatProblems(loaded.problems)}`);
}

async function bringUpToDate(path: string, text: string | undefined): Promise<void> {
  if (text === undefined) {
    await rm(join(root, path));
    console.log(`removed ${path}: nothing generates it any more`);
    return;
  }
  await mkdir(join(root, path, '..'), { recursive: true });
  await writeFile(join(root, path), text);
  console.log(`wrote ${path}`);
}

/** The text of a file, or undefined when there is none. */
async function read(path: string): Promise<string | undefined> {
  return readFile(join(root, path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
