import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface CacheEntry<T> {
  readonly cacheFolder: string;
  /** Entries of one name replace each other. */
  readonly name: string;
  /** A digest of everything the content is made from: another key, another content. */
  readonly key: string;
  /** Writes the content's files into an empty folder. */
  readonly make: (folder: string) => Promise<void>;
  /** Reads them back; throws when a file is missing or damaged. */
  readonly read: (folder: string) => Promise<T>;
}

/**
 * What `make` made for this key, now or at an earlier time. It is made in a folder of its own and renamed when whole,
 * so a process that dies half-way leaves nothing that is taken for an entry; what can no longer be read is made again.
 */
export async function cached<T>(entry: CacheEntry<T>): Promise<{ content: T; madeNow: boolean }> {
  const folder = entryFolder(entry);
  const content = await readIfWhole(entry, folder);
  if (content !== undefined) return { content, madeNow: false };
  await makeFolder(entry, folder);
  await removeOldEntries(entry);
  return { content: await entry.read(folder), madeNow: true };
}

/** Where the entry is, if it is there. */
export function entryFolder({
  cacheFolder,
  name,
  key,
}: Pick<CacheEntry<unknown>, 'cacheFolder' | 'name' | 'key'>) {
  return join(cacheFolder, `${name}-${key}`);
}

async function readIfWhole<T>(entry: CacheEntry<T>, folder: string): Promise<T | undefined> {
  if (!(await exists(folder))) return undefined;
  try {
    return await entry.read(folder);
  } catch {
    // Whatever is wrong with it, the remedy is the same: make it again.
    await rm(folder, { recursive: true, force: true });
    return undefined;
  }
}

async function makeFolder<T>({ cacheFolder, name, make }: CacheEntry<T>, folder: string): Promise<void> {
  await mkdir(cacheFolder, { recursive: true });
  const unfinished = await mkdtemp(join(cacheFolder, `${name}-unfinished-`));
  try {
    await make(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process finished the same entry first: equal keys mean equal content, so theirs is as good.
    if (!(await exists(folder))) throw error;
  }
}

/** Entries of other keys and left-over attempts, unless a process may still be at work on them. */
async function removeOldEntries<T>({ cacheFolder, name, key }: CacheEntry<T>): Promise<void> {
  const hourAgo = Date.now() - 3_600_000;
  for (const found of await readdir(cacheFolder)) {
    if (!found.startsWith(`${name}-`) || found === `${name}-${key}`) continue;
    const folder = join(cacheFolder, found);
    const changedAt = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    if (changedAt < hourAgo) await rm(folder, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
