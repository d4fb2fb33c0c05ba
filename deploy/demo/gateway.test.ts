import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createDriver } from '../../controller/src/apply/drivers.ts';

const program = fileURLToPath(new URL('gateway.ts', import.meta.url));

test('carries mail, counts it, follows the contract, and knows its weights after a restart', async () => {
  const folder = temporaryFolder();
  const args = [
    ...['--state', join(folder, 'routes.json'), '--latency-thresholds', '0.25,0.5'],
    ...[
      '--target',
      `spam-v1@1=${await startModel('spam-v1')}`,
      '--target',
      `spam-v2@2=${await startModel('spam-v2')}`,
    ],
  ];
  const first = await startGateway(args);
  expect(await (await fetch(`${first.listening}/healthz`)).json()).toEqual({ status: 'ok' });
  expect(await classify(first.listening)).toEqual({
    target: 'spam-v1',
    body: 'spam-v1 POST /classify buy now',
  });

  const change = { weights: { 'spam-v2': 10_000 }, generation: 3, reason: 'test' };
  const put = await fetch(`${first.listening}/api/v1/routes/mail-filter`, {
    method: 'PUT',
    body: JSON.stringify(change),
  });
  expect(put.status).toBe(200);
  expect((await classify(first.listening)).target).toBe('spam-v2');

  const page = await (await fetch(first.metrics)).text();
  const labels = 'route="mail-filter",gen_ai_request_model="spam-v1",ml_model_version="1"';
  const attempts = `relaycore_gateway_attempts_total{${labels},shadow="false"`;
  expect(sampleOf(page, `${attempts},outcome="ok",retried="false"}`)).toBe('1');
  expect(sampleOf(page, `${attempts},outcome="refused",retried="true"}`)).toBe('0');
  expect(sampleOf(page, `relaycore_gateway_duration_bucket{${labels},shadow="false",le="0.25"}`)).toBe('1');
  expect(sampleOf(page, 'relaycore_gateway_route_generation{route="mail-filter"}')).toBe('3');
  const weight = 'relaycore_gateway_route_weight{route="mail-filter",gen_ai_request_model="spam-v2"}';
  expect(sampleOf(page, weight)).toBe('10000');

  first.process.kill('SIGTERM');
  expect(await once(first.process, 'exit')).toEqual([0, null]);
  const second = await startGateway(args);
  expect((await classify(second.listening)).target).toBe('spam-v2');
});

test('follows a file beside what is pushed', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'followed.json');
  const models = ['spam-v1', 'spam-v2'];
  const addresses = await Promise.all(models.map(startModel));
  const gateway = await startGateway([
    ...['--state', join(folder, 'routes.json'), '--follow', pathToFileURL(file).href],
    ...models.flatMap((model, index) => ['--target', `${model}@1=${addresses[index]}`]),
  ]);
  const driver = createDriver({ kind: 'document', file, prefix: '' }, models);
  const desired = { weights: { 'spam-v1': 0, 'spam-v2': 10_000 }, generation: 1, reason: 'test' };
  expect(await driver.apply('mail-filter', desired, AbortSignal.timeout(5_000))).toEqual({ kind: 'applied' });
  const target = async () => (await classify(gateway.listening)).target;
  await expect.poll(target, { timeout: 10_000 }).toBe('spam-v2');
});

test('ends with its parent when told to', async () => {
  const target = ['--target', 'spam-v1@1=http://127.0.0.1:1'];
  const state = ['--state', join(temporaryFolder(), 'routes.json')];
  const gateway = await startGateway([...state, ...target, '--stay-with-parent']);
  gateway.process.stdin?.end();
  expect(await once(gateway.process, 'exit')).toEqual([0, null]);
});

test('finishes an answer under way before it ends', async () => {
  const answers: http.ServerResponse[] = [];
  const model = await listen((_request, response) => void answers.push(response));
  const state = ['--state', join(temporaryFolder(), 'routes.json')];
  const gateway = await startGateway([...state, '--target', `spam-v1@1=${model}`]);
  const request = http.get(`${gateway.listening}/mail-filter/slow`);
  const answered = once(request, 'response');
  while (answers.length === 0) await new Promise(resolve => setTimeout(resolve, 2));
  answers[0]?.write('begun ');
  const [answer] = (await answered) as [http.IncomingMessage];
  const exited = once(gateway.process, 'exit');
  gateway.process.kill('SIGTERM');
  answers[0]?.end('and ended');
  expect(await text(answer)).toBe('begun and ended');
  expect(await exited).toEqual([0, null]);
});

test('says what is wrong with its arguments', async () => {
  const gateway = spawnGateway(['--state', 'x', '--target', 'spam-v1=http://127.0.0.1:1']);
  const complaint = await text(gateway.stderr!);
  expect(complaint).toContain('gateway: --target spam-v1=http://127.0.0.1:1 is no MODEL@VERSION=URL');
});

async function startGateway(args: readonly string[]) {
  const gateway = spawnGateway(args);
  const complaint = text(gateway.stderr!);
  const lines = createInterface({ input: gateway.stdout! });
  const line = await Promise.race([
    once(lines, 'line').then(([first]) => String(first)),
    once(gateway, 'exit').then(async () => Promise.reject(new Error(await complaint))),
  ]);
  return { process: gateway, ...(JSON.parse(line) as { listening: string; metrics: string }) };
}

function spawnGateway(args: readonly string[]): ChildProcess {
  const gateway = spawn(process.execPath, ['--conditions=source', program, ...args]);
  onTestFinished(async () => {
    if (gateway.exitCode === null && gateway.signalCode === null && gateway.kill('SIGKILL'))
      await once(gateway, 'exit');
  });
  return gateway;
}

async function classify(gatewayUrl: string) {
  const response = await fetch(`${gatewayUrl}/mail-filter/classify`, { method: 'POST', body: 'buy now' });
  return { target: response.headers.get('x-relaycore-target'), body: await response.text() };
}

/** The sample of exactly this series, whatever the order of its labels. */
function sampleOf(page: string, series: string): string | undefined {
  const wanted = labelsOf(series);
  const line = page.split('\n').find(each => labelsOf(each.slice(0, each.lastIndexOf(' '))) === wanted);
  return line?.split(' ').at(-1);
}

function labelsOf(series: string): string {
  const [name, labels = ''] = series.replace('}', '').split('{');
  return `${name} ${labels.split(',').sort().join(',')}`;
}

function startModel(name: string): Promise<string> {
  return listen(async (request, response) => {
    response.end(`${name} ${request.method} ${request.url} ${await text(request)}`);
  });
}

async function listen(listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
