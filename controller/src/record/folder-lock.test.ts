import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lockFolder } from './folder-lock.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relaycore-lock-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a second owner is refused while the first one lives, and let in afterwards', async () => {
  const first = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow('in use by another controller');
  await first.release();
  await (await lockFolder(folder)).release();
});

test('an owner that was killed holds nothing', async () => {
  const module = JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href);
  const program = `
    const { lockFolder } = await import(${module});
    await lockFolder(${JSON.stringify(folder)});
    console.log('locked');
    setInterval(() => undefined, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', program]);
  await once(owner.stdout, 'data');
  await expect(lockFolder(folder)).rejects.toThrow('in use by another controller');
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await (await lockFolder(folder)).release();
});
