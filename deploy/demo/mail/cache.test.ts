import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CacheEntry, cached } from './cache.ts';

let cacheFolder: string;
beforeEach(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), 'cache-'));
});
afterEach(() => rm(cacheFolder, { recursive: true }));

it('makes once, then reads', async () => {
  expect(await cached(entry('a', 'first'))).toEqual({ content: 'first', madeNow: true });
  expect(await cached(entry('a', 'second'))).toEqual({ content: 'first', madeNow: false });
});

it('makes again when what it was made from has changed', async () => {
  await cached(entry('a', 'first'));
  expect(await cached(entry('b', 'second'))).toEqual({ content: 'second', madeNow: true });
});

it('never uses what a dying process left half-written', async () => {
  const dying = { ...entry('a', 'first'), make: writeHalfAndThrow };
  await expect(cached(dying)).rejects.toThrow('out of power');
  expect(await readdir(cacheFolder)).toEqual([]);
  expect(await cached(entry('a', 'second'))).toEqual({ content: 'second', madeNow: true });
});

it('makes again what can no longer be read', async () => {
  await cached(entry('a', 'first'));
  await truncate(join(cacheFolder, 'text-a', 'content.json'), 3);
  expect(await cached(entry('a', 'second'))).toEqual({ content: 'second', madeNow: true });
});

it('gives the same to everybody who asks at once', async () => {
  const answers = await Promise.all(['x', 'y', 'z'].map(text => cached(entry('a', text))));
  expect(new Set(answers.map(({ content }) => content)).size).toBe(1);
  expect(await readdir(cacheFolder)).toEqual(['text-a']);
});

it('removes entries of other keys once they are old, and nobody else’s files', async () => {
  await cached(entry('old', 'first'));
  await cached(entry('recent', 'second'));
  await writeFile(join(cacheFolder, 'other.txt'), '');
  const yesterday = new Date(Date.now() - 86_400_000);
  for (const name of ['text-old', 'other.txt']) await utimes(join(cacheFolder, name), yesterday, yesterday);
  await cached(entry('new', 'third'));
  expect((await readdir(cacheFolder)).sort()).toEqual(['other.txt', 'text-new', 'text-recent']);
});

function entry(key: string, text: string): CacheEntry<string> {
  return {
    cacheFolder,
    name: 'text',
    key,
    make: folder => writeFile(join(folder, 'content.json'), JSON.stringify(text)),
    read: async folder => JSON.parse(await readFile(join(folder, 'content.json'), 'utf8')) as string,
  };
}

async function writeHalfAndThrow(folder: string): Promise<void> {
  await writeFile(join(folder, 'content.json'), '"fir');
  throw new Error('out of power');
}
