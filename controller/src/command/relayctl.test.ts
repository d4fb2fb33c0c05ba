import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type StartedDatabase, startEmbedded } from '../../../test/support/databases.ts';
import { noProber, policyOf, scriptedReader } from '../../../test/support/scripted-reader.ts';
import { refusingAddress, startGateway, startServer, targetsAt } from '../../relay/fixture.ts';
import { createApi } from '../api/app.ts';
import { relaycoreDriver } from '../apply/relaycore.ts';
import { systemClock } from '../clock.ts';
import { createLoop } from '../loop.ts';
import { createTelemetry } from '../telemetry.ts';

/* relayctl as a process of its own, against a controller that runs and moves a real gateway. */

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const token = 'a-secret-of-some-length';
const policy = policyOf(`
alert_settings: { min_requests_for_evaluation: 50 }
detection:
  tick_seconds: 0.2
  ingestion_lag_seconds: 0
  agreement_seconds: { mild: 1, severe: 0.4 }
  hard_down: { failures: 10, seconds: 0.4 }
models: { spam-v1: { version: '1' }, spam-v2: { version: '2' } }
routes:
  mail-filter: { targets: [spam-v1, spam-v2], mode: approve }
`);

let started: StartedDatabase;
beforeAll(async () => {
  started = await startEmbedded();
});
afterAll(() => started.stop());

interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

async function relayctl(url: string, ...given: string[]): Promise<Output> {
  const child = spawn(process.execPath, ['--conditions=source', main, ...given], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, RELAYCORE_URL: url, RELAYCORE_TOKEN: token, TZ: 'UTC' },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { stdout, stderr, code };
}

/** A controller on the computer's clock, and the gateway that it moves. */
async function startController() {
  const targets = targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2').map((target, i) => ({
    ...target,
    model: ['spam-v1', 'spam-v2'][i]!,
  }));
  const gateway = await startGateway({ routes: { 'mail-filter': { targets } } });
  const driver = relaycoreDriver({ urls: [gateway.url] });
  const reader = scriptedReader();
  const telemetry = createTelemetry(() => loop.status());
  const { database } = started;
  const log = pino({ level: 'silent' });
  const parts = { policy, database, clock: systemClock, telemetry, log, prober: noProber };
  const loop = createLoop({ ...parts, reader, drivers: new Map([['mail-filter', driver]]) });
  const url = await startServer(createApi({ ...parts, loop, token }));
  const stopping = new AbortController();
  const running = loop.run(stopping.signal);
  onTestFinished(async () => {
    stopping.abort();
    await running;
    await driver.close();
    await telemetry.close();
  });
  return { url, gateway, reader, loop };
}

test('a day at the terminal: look, explain, pin, unpin, freeze, approve, and who did what', async () => {
  const { url, gateway, reader, loop } = await startController();
  const type = async (...given: string[]) => {
    const { stdout, stderr, code } = await relayctl(url, ...given);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    return stdout;
  };
  const route = () => loop.status().routes.get('mail-filter');
  const held = () => gateway.relay.state('mail-filter')?.weights;
  const ada = ['--actor', 'ada', '--reason'];

  await expect.poll(() => route()?.decision.reason, { timeout: 10_000 }).toBe('healthy');
  const atFirst = new Date().toISOString();
  const status = await type('status');
  expect(status).toMatch(/^mail-filter +spam-v1 +primary +\d+ s ago +approve +0 +hold, healthy$/m);
  expect(status).toMatch(/^ {2}spam-v1 is healthy: success rate 1\.0000 over \d+ requests/m);
  expect(status).toMatch(/^spam-v1 1 +healthy +1\.00 +– +success 0 \/ 10 % +latency – +accuracy –/m);
  expect(await type('explain', 'mail-filter')).toMatch(/^ {2}nothing has moved it since it was taken over$/m);

  expect(await type('pin', 'mail-filter', 'spam-v2', '--for', '2h', ...ada, 'a comparison')).toMatch(
    /^mail-filter is pinned to spam-v2 until \d{4}-.* \(in 2 h\) \(generation 1, held by the gateway\)$/m,
  );
  expect(held()).toEqual({ 'spam-v1': 0, 'spam-v2': 10_000 });
  expect(await type('status')).toMatch(/^ {2}pinned to spam-v2 by ada until .*: a comparison; otherwise/m);
  await type('unpin', 'mail-filter', ...ada, 'seen enough');
  await type('switch', 'mail-filter', 'spam-v1', '--generation', '1', ...ada, 'back to normal');
  expect(held()).toEqual({ 'spam-v1': 10_000, 'spam-v2': 0 });

  expect(await type('freeze', '--all', '--for', '30m', ...ada, 'a release')).toMatch(
    /^mail-filter is frozen/,
  );
  reader.behave({ 'spam-v1': 'failing' });
  await expect
    .poll(() => route()?.decision, { timeout: 10_000 })
    .toMatchObject({ reason: 'frozen', otherwise: { kind: 'failover' } });
  const frozen = await type('explain', 'mail-filter');
  expect(frozen.replaceAll(/\n */g, ' ')).toMatch(
    /hold: frozen by ada until .*: a release; otherwise failover to spam-v2: spam-v1: success rate 0\.0/,
  );
  expect(frozen).toMatch(/^spam-v2 +chosen +healthy$/m);
  await type('unfreeze', '--all', ...ada, 'released');

  await expect.poll(() => route()?.proposal?.status, { timeout: 10_000 }).toBe('open');
  const id = String(route()!.proposal!.id);
  expect(await type('proposals')).toMatch(
    new RegExp(`^${id} +mail-filter +approve +failover spam-v1 → spam-v2 +open +\\d+ s ago$`, 'm'),
  );
  expect(await type('approve', id, ...ada, 'it is down')).toBe(
    'mail-filter: failover spam-v1 → spam-v2 (generation 3, held by the gateway)\n',
  );
  expect(held()).toEqual({ 'spam-v1': 0, 'spam-v2': 10_000 });
  expect(await type('proposals')).toBe('nothing waits for a person\n');

  expect(await type('explain', 'mail-filter', '--at', atFirst)).toMatch(
    /^mail-filter, generation 0: spam-v1$/m,
  );
  const history = await type('history');
  expect(history.match(/^\d{4}-.*$/gm)).toEqual([
    expect.stringMatching(/3 +failover spam-v1 → spam-v2 +ada +applied$/),
    expect.stringMatching(/2 +manual spam-v2 → spam-v1 +ada +applied$/),
    expect.stringMatching(/1 +manual spam-v1 → spam-v2 +ada +applied$/),
  ]);
  const audit = await type('audit');
  expect(audit.match(/(?<=ada +)\w+/g)).toEqual(['approve', 'unfreeze', 'freeze', 'switch', 'unpin', 'pin']);
  expect(await type('audit', '--verify')).toMatch(/^6 entries, intact; the last one is \d+, [0-9a-f]{64}$/m);
}, 60_000);

describe('how it ends', () => {
  test('refused: the reason and the way out, and 1', async () => {
    const { url, loop } = await startController();
    await expect.poll(() => loop.status().routes.size, { timeout: 10_000 }).toBe(1);
    expect(await relayctl(url, 'unpin', 'mail-filter', '--reason', 'x')).toEqual({
      stdout: '',
      stderr: 'relayctl: mail-filter is not pinned; nothing needs to be done; see model-status\n',
      code: 1,
    });
    expect(await relayctl(url, 'explain', 'males')).toMatchObject({
      stderr: 'relayctl: there is no route "males"; use one of: mail-filter\n',
      code: 1,
    });
    expect(await relayctl(url, 'status', '--token', 'a-wrong-secret-of-some-length')).toMatchObject({
      stderr: 'relayctl: a valid bearer token is needed; give its token with RELAYCORE_TOKEN or --token\n',
      code: 1,
    });
  });

  test.each<[string, string[], RegExp]>([
    ['no reason', ['unpin', 'mail-filter'], /required option '--reason <text>'/],
    ['an unknown command', ['explode'], /unknown command 'explode'/],
    ['no end', ['pin', 'mail-filter', '--reason', 'x'], /either --for 2h or --until/],
    ['two ends', ['pin', 'a', '--reason', 'x', '--for', '2h', '--until', '2099-01-01'], /either --for/],
    ['a span that is none', ['freeze', 'a', '--reason', 'x', '--for', 'ever'], /--for ever is not a span/],
    ['neither route nor all', ['unfreeze', '--reason', 'x'], /name a route, or give --all/],
    ['both', ['unfreeze', 'mail-filter', '--all', '--reason', 'x'], /name a route, or give --all/],
    ['a name for a number', ['approve', 'mail-filter'], /not the number of a proposal/],
    ['a generation that is none', ['unpin', 'a', '--reason', 'x', '--generation', 'old'], /--generation old/],
    ['a time that is none', ['explain', 'a', '--at', 'noon'], /--at noon is not a time/],
    ['an address that is none', ['status', '--controller', 'here'], /--controller here is not an http/],
    ['too long a list', ['audit', '--limit', '501'], /--limit 501/],
    ['an unknown shell', ['completion', 'cmd'], /Allowed choices are bash, zsh, fish/],
  ])('wrong usage, such as %s: what is right, and 2', async (_, given, message) => {
    const { stdout, stderr, code } = await relayctl(await refusingAddress(), ...given);
    expect({ stdout, code }).toEqual({ stdout: '', code: 2 });
    expect(stderr).toMatch(message);
  });

  test('nobody there: what to do, and 3', async () => {
    const url = await refusingAddress();
    for (const given of [['status'], ['unpin', 'mail-filter', '--reason', 'x']]) {
      const { stderr, code } = await relayctl(url, ...given);
      expect(code).toBe(3);
      expect(stderr).toMatch(
        /^relayctl: no controller answers at .*ECONNREFUSED.*; start it with "relayctl serve"/,
      );
    }
    const stranger = await startServer((_, response) => void response.end('<html>'));
    expect(await relayctl(stranger, 'status')).toMatchObject({
      stderr: expect.stringMatching(/is no controller \(status 200\); correct --controller/),
      code: 3,
    });
  });

  test('help is no mistake: 0', async () => {
    const { stdout, code } = await relayctl('', 'freeze', '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/--until <time>/);
  });
});

test('--json prints what the API answers', async () => {
  const { url, loop } = await startController();
  await expect.poll(() => loop.status().routes.size, { timeout: 10_000 }).toBe(1);
  const { stdout } = await relayctl(url, 'status', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ routes: [{ route: 'mail-filter', frozen: null }] });
  const { stdout: refused, code } = await relayctl(url, 'unfreeze', '--all', '--reason', 'x', '--json');
  expect({ answer: JSON.parse(refused), code }).toEqual({ answer: { routes: [] }, code: 0 });
});

test('an action of which it is unclear whether it arrived is sent again, under the same key', async () => {
  const keys: (string | undefined)[] = [];
  const url = await startServer((request, response) => {
    keys.push(request.headers['idempotency-key'] as string | undefined);
    if (keys.length === 1) request.socket.destroy();
    else response.end('{}');
  });
  expect(await relayctl(url, 'unpin', 'mail-filter', '--reason', 'x')).toMatchObject({ code: 0 });
  expect(keys).toEqual([expect.any(String), keys[0]]);
});
