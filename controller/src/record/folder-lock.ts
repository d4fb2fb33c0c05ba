import { createHash } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * One process a folder: the embedded database does not notice a second one, and both would spoil it. A listening
 * socket is the lock, because it goes with its process however that ends; a file or a process id would stay behind.
 */
export async function lockFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const path = socketPath(folder);
  const server = createServer(connection => connection.destroy());
  if (!(await listens(server, path))) {
    if (await answers(path))
      throw new Error(`${folder} is in use by another controller; stop it, or use another folder`);
    await unlink(path).catch(() => undefined); // left behind by a process that was killed
    if (!(await listens(server, path))) throw new Error(`${folder} was taken by another controller just now`);
  }
  server.unref();
  return { release: () => new Promise(done => server.close(() => done())) };
}

/** Short, as socket paths must be. */
function socketPath(folder: string): string {
  const name = `relaycore-${createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 24)}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
}

function listens(server: Server, path: string): Promise<boolean> {
  return new Promise((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(false) : fail(error),
    );
    server.listen(path, () => done(true));
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise(done => {
    const probe = connect(path, () => done(true));
    probe.on('error', () => done(false));
    probe.on('connect', () => probe.destroy());
  });
}
