import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DocumentStore } from './document.ts';
import { within } from './turns.ts';

/**
 * One file for all routes, whole or not at all: written beside it, flushed, renamed. Whoever compares and replaces
 * holds the file `….lock` meanwhile, so that controllers on one machine do not overwrite each other.
 */
export function fileStore(path: string): DocumentStore {
  return {
    durableAcrossRestarts: true,
    where: () => path,
    read: (_, signal) => within(signal, textOf(path)),
    async replace(_, { from, to }, signal) {
      await lock(path, signal);
      try {
        if ((await textOf(path)) !== from) return false;
        await writeWhole(path, to);
        return true;
      } finally {
        await rm(lockOf(path), { force: true });
      }
    },
  };
}

/** A lock is held for milliseconds; an older one belongs to a process that died. */
const staleLockMs = 5_000;
const lockPauseMs = 5;

const lockOf = (path: string) => `${path}.lock`;

async function lock(path: string, signal: AbortSignal): Promise<void> {
  while (!(await created(lockOf(path)))) {
    const since = await stat(lockOf(path)).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - since > staleLockMs) await rm(lockOf(path), { force: true });
    await delay(lockPauseMs, undefined, { signal });
  }
}

async function created(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.new`;
  try {
    await writeFlushed(beside, text, (await stat(path).catch(() => undefined))?.mode);
    await rename(beside, path);
  } catch (cause) {
    await rm(beside, { force: true });
    throw new Error(`could not write ${path}; may the controller write into ${dirname(path)}?`, { cause });
  }
  await flushFolder(dirname(path));
}

async function writeFlushed(path: string, text: string, mode = 0o644): Promise<void> {
  const file = await open(path, 'w', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the rename survive a power cut. Windows cannot open folders; there the rename has to do. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
