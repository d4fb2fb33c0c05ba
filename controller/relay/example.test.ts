import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createDriver } from '../src/apply/drivers.ts';
import { startRedisServer } from '../src/apply/fixture.ts';
import { ask, startModel, temporaryFolder } from './fixture.ts';

test('the example follows Redis, stays with its users, and ends when told to', async () => {
  const { url: redis } = await startRedisServer();
  const { url, process: gateway } = await startExample({
    MODEL_A: await startModel('a'),
    MODEL_B: await startModel('b'),
    REDIS_URL: redis,
    STATE_FILE: join(temporaryFolder(), 'routes.json'),
  });
  const targetFor = async (user: string) =>
    (await ask(`${url}/chat`, { headers: { 'x-user': user } })).headers.get('x-relaycore-target');
  expect(await targetFor('ann')).toBe('chat-large');

  const targets = ['chat-large', 'chat-small'];
  const driver = createDriver({ kind: 'document', redis, prefix: 'relaycore:route:' }, targets);
  const desired = { weights: { 'chat-large': 0, 'chat-small': 10_000 }, generation: 1, reason: 'a test' };
  expect(await driver.apply('chat', desired, AbortSignal.timeout(5_000))).toEqual({ kind: 'applied' });
  await expect.poll(() => targetFor('ann'), { timeout: 10_000 }).toBe('chat-small');

  const exited = once(gateway, 'exit');
  gateway.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

async function startExample(environment: Record<string, string>) {
  const program = fileURLToPath(new URL('example.ts', import.meta.url));
  const gateway = spawn(process.execPath, ['--conditions=source', program], {
    env: { ...process.env, ...environment, PORT: '0' },
  });
  onTestFinished(() => void gateway.kill('SIGKILL'));
  const complaint = text(gateway.stderr);
  const line = await Promise.race([
    once(createInterface({ input: gateway.stdout }), 'line').then(([first]) => String(first)),
    once(gateway, 'exit').then(async () => Promise.reject(new Error(await complaint))),
  ]);
  const { port } = (JSON.parse(line) as { listening: { port: number } }).listening;
  return { url: `http://127.0.0.1:${port}`, process: gateway };
}
