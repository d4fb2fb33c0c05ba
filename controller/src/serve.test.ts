import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../test/support/databases.ts';
import { policyOf } from '../../test/support/scripted-reader.ts';
import { ask, refusingAddress, startServer, until } from '../relay/fixture.ts';
import { readPolicy, serve } from './serve.ts';

/* The whole controller, as it is started: with its embedded database, and a Prometheus that is not there. */

const policyText = `
detection: { tick_seconds: 0.2 }
models: { spam-nb: {}, spam-lr: {} }
routes: { mail-filter: { targets: [spam-nb, spam-lr] } }
`;
const log = pino({ level: 'silent' });

let folder: string;
let policyFile: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  policyFile = join(folder, 'policy.yml');
  await writeFile(policyFile, policyText);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const configFor = async () => ({
  policyFile,
  prometheusUrl: await refusingAddress(),
  host: '127.0.0.1',
  port: 0,
  database: { kind: 'embedded', folder: join(folder, 'data') } as const,
});

describe('the controller', () => {
  test('serves without Prometheus, says that it is not ready, and lets people move a route', async () => {
    const controller = await serve(await configFor(), policyOf(policyText), log);
    const get = async (path: string) => {
      const response = await ask(`${controller.url}${path}`);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    await until(() => controller.loop.status().at > 0, 20_000);
    expect(await get('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: { problems: [expect.stringMatching(/^Prometheus at .* did not answer: .*ECONNREFUSED/)] },
    });
    const moved = await ask(`${controller.url}/api/v1/performance/switch-model`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ route: 'mail-filter', target: 'spam-lr', reason: 'a trial' }),
    });
    expect(moved.status).toBe(200);
    await controller.stop();
    await expect(ask(`${controller.url}/healthz`)).rejects.toThrow();
  });

  test('started again it knows what was decided', async () => {
    const controller = await serve(await configFor(), policyOf(policyText), log);
    await until(() => controller.loop.status().routes.size > 0, 20_000);
    const { state, gateway } = controller.loop.status().routes.get('mail-filter')!;
    await controller.stop();
    expect(state).toMatchObject({ generation: 1, weights: { 'spam-lr': 10_000 } });
    expect(gateway).toMatchObject({ kind: 'converged' });
  });

  test('stops while a person’s request and a round are under way', async () => {
    const controller = await serve(await configFor(), policyOf(policyText), log);
    const requests = Array.from({ length: 5 }, () => ask(`${controller.url}/readyz`).catch(() => undefined));
    await controller.stop();
    await Promise.all(requests);
  });
});

describe('relayctl', () => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));

  function relayctl(...given: string[]) {
    const child = spawn(process.execPath, ['--conditions=source', main, ...given], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
      ([stdout, stderr, [code]]) => ({ stdout, stderr, code }),
    );
    return { child, output };
  }
  const serveAt = (port: string) =>
    relayctl('serve', '--policy', policyFile, '--data', join(folder, 'data'), '--port', port);

  test('serve says where it listens, and ends well at SIGTERM', async () => {
    const { child, output } = serveAt('0');
    const listening = new Promise(resolve => {
      child.stdout.on('data', (chunk: Buffer) => chunk.includes('"listening":"http://127') && resolve(0));
    });
    await Promise.race([listening, output]);
    child.kill('SIGTERM');
    expect(await output).toMatchObject({ code: 0, stderr: '' });
  });

  test('serve at a port that is taken ends with the reason', async () => {
    const { port } = new URL(await startServer((_, response) => void response.end()));
    const { code, stderr } = await serveAt(port).output;
    expect(stderr).toMatch(/^relayctl: the API cannot be served at 127\.0\.0\.1:\d+; .*: listen EADDRINUSE/);
    expect(code).toBe(1);
  });

  test('check lists every problem of a policy', async () => {
    expect(await relayctl('check', policyFile).output).toMatchObject({
      code: 0,
      stdout: `${policyFile} is good: 2 models, 1 routes\n`,
    });
    const bad = join(folder, 'bad.yml');
    await writeFile(bad, 'routes: { mail-filter: { targets: [nobody], mode: sometimes } }');
    const { code, stderr } = await relayctl('check', bad).output;
    expect(code).toBe(1);
    expect(stderr).toMatch(/is refused, 2 problem\(s\):/);
    expect(stderr).toMatch(/nobody/);
    expect(stderr).toMatch(/mode/);
  });
});

test('a policy file that is not there is named', async () => {
  await expect(readPolicy('/nowhere/policy.yml', {})).rejects.toThrow(
    /^the policy file \/nowhere\/policy\.yml cannot be read: ENOENT/,
  );
});
