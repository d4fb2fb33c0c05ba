import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compilePolicy } from '@relaycore/rules';
import { readPolicy } from '../serve.ts';

export async function checkPolicy(file: string): Promise<void> {
  const { models, routes } = await readPolicy(file, process.env);
  console.log(`${file} is good: ${Object.keys(models).length} models, ${Object.keys(routes).length} routes`);
}

export async function compileTo(file: string, { out }: { out: string }): Promise<void> {
  await mkdir(out, { recursive: true });
  for (const [name, text] of Object.entries(compilePolicy(await readPolicy(file, process.env)))) {
    await writeFile(join(out, name), text);
    console.log(join(out, name));
  }
}
