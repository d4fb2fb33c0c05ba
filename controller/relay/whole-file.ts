/** A file that is there whole or not at all, also after a power cut: written beside, flushed, renamed. */

import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** @param mode of the file, octal. Rejects if any of it fails; the file is then as it was. */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const beside = `${path}.new`;
  try {
    await writeFlushed(beside, text, mode);
    await rename(beside, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function writeFlushed(path: string, text: string, mode: number): Promise<void> {
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
