import { open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeWhole } from '../../relay/whole-file.ts';
import type { DocumentStore } from './document.ts';
import { within } from './turns.ts';

/**
 * One file for all routes, whole or not at all. Whoever compares and replaces
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
        await write(path, to);
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

async function write(path: string, text: string): Promise<void> {
  const { mode = 0o644 } = (await stat(path).catch(() => undefined)) ?? {};
  await writeWhole(path, text, mode).catch(cause => {
    throw new Error(`could not write ${path}; may the controller write into ${dirname(path)}?`, { cause });
  });
}
