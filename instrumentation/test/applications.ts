import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A folder of an application: what it is written in, and what it has installed. */
export interface Application {
  readonly folder: string;
  /** Runs a program of the folder until it ends by itself. */
  run(program: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended>;
  /** Starts a server, which says its address in its first line. */
  serve(program: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Serving>;
  /** Ends what still runs, and removes the folder. */
  remove(): Promise<void>;
}

export interface Ended {
  readonly code: number | null;
  readonly said: string;
  readonly warned: string;
}

export interface Serving {
  readonly url: string;
  /** Gives what it said on standard error. */
  stop(): Promise<string>;
}

/** @param files by path, beside what is linked: this package, and what it is developed with */
export async function createApplication(files: Readonly<Record<string, string>> = {}): Promise<Application> {
  const folder = await mkdtemp(join(tmpdir(), 'neuroweaver-application-'));
  const running = new Set<Serving>();
  for (const [path, content] of Object.entries({ ...files, 'package.json': '{}' })) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await link(folder, '@neuroweaver/instrumentation', 'instrumentation');
  for (const name of ['openai', '@opentelemetry']) await link(folder, name, `node_modules/${name}`);

  function start(program: readonly string[], environment: NodeJS.ProcessEnv) {
    return spawn(process.execPath, ['--conditions=source', ...program], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  return {
    folder,
    async run(program, environment = {}) {
      const child = start(program, environment);
      const output = Promise.all([text(child.stdout), text(child.stderr)]);
      const [code] = await once(child, 'close');
      const [said, warned] = await output;
      return { code, said, warned };
    },
    async serve(program, environment = {}) {
      const child = start(program, environment);
      const warned = text(child.stderr);
      const closed = once(child, 'close');
      const address = once(createInterface(child.stdout), 'line').then(([line]) => String(line));
      const url = await Promise.race([address, closed.then(() => undefined)]);
      if (url === undefined) throw new Error(`${program.join(' ')} ended: ${await warned}`);
      const serving = {
        url,
        async stop() {
          child.kill('SIGKILL');
          await closed;
          return warned;
        },
      };
      running.add(serving);
      return serving;
    },
    async remove() {
      for (const serving of running) await serving.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function link(folder: string, name: string, target: string): Promise<void> {
  const at = join(folder, 'node_modules', name);
  await mkdir(dirname(at), { recursive: true });
  await symlink(join(root, target), at);
}
