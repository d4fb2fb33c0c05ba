import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectation } from './mail/population.ts';
import { ensureModels, type TrainedModels } from './mail/train.ts';

const cacheFolder = join(import.meta.dirname, '../../.cache/demo');
const processes = new Set<ChildProcess>();

let models: TrainedModels;
beforeAll(async () => {
  models = await ensureModels(cacheFolder);
});

describe('a running model server', () => {
  let server: ModelServer;
  beforeAll(async () => {
    server = await startServer('--latency-thresholds', '0.25,0.5', '--stay-with-parent');
  });
  afterAll(() => end(server.process));

  it('classifies as accurately as was measured in training', async () => {
    const hardHam = models.mail.shifted[0]!.mail;
    const answers = await Promise.all(hardHam.map(({ id, text }) => post(server, '/classify', { id, text })));
    expect(answers[0]).toMatchObject({ id: hardHam[0]!.id, model: 'spam-v1', version: '1' });
    const right = new Map(hardHam.map(({ id }, at) => [id, answers[at]!.spam === false ? 1 : 0]));
    expect(expectation([{ share: 1, mail: hardHam }], ({ id }) => right.get(id)!)).toBe(
      models.accuracy['spam-v1'].groups['hard-ham-1'],
    );
  });

  it('evaluates a label once, against its own answer', async () => {
    const before = await accuracyScores(server);
    const { spam } = await post(server, '/classify', { id: 'label me', text: 'Subject: hello\n\nhello' });
    const labels = [
      { id: 'label me', spam },
      { id: 'label me', spam },
      { id: 'never asked', spam },
    ];
    expect(await post(server, '/labels', labels)).toEqual({ matched: 1, unknown: 2 });
    const after = await accuracyScores(server);
    expect({ count: after.count - before.count, sum: after.sum - before.sum }).toEqual({ count: 1, sum: 1 });

    await post(server, '/classify', { id: 'label me', text: 'Subject: hello\n\nhello' });
    await post(server, '/labels', [{ id: 'label me', spam: !spam }]);
    expect((await accuracyScores(server)).sum).toBe(after.sum);
  });

  it('refuses what it cannot read, which is no failure of the model', async () => {
    expect(await post(server, '/classify', { id: 1 }, 400)).toHaveProperty('error');
    expect(await post(server, '/labels', { id: 'a', spam: true }, 400)).toHaveProperty('error');
    const page = await metrics(server);
    expect(sumOf(page, 'ml_server_requests_total', 'outcome="cancelled"')).toBe(1);
    expect(sumOf(page, 'ml_server_requests_total', 'outcome="error"')).toBe(0);
    expect(sumOf(page, 'ml_server_active_requests')).toBe(0);
  });

  it('has a bucket edge at every threshold', async () => {
    const page = await metrics(server);
    for (const edge of ['0.25', '0.5'])
      expect(page).toMatch(new RegExp(`request_duration_bucket.*le="${edge}"`));
  });

  it('gets slow when told to be busy, and recovers', async () => {
    server.process.kill('SIGUSR2');
    while ((await latencyMs(server)) < 200);
    server.process.kill('SIGUSR2');
    while ((await latencyMs(server)) > 100);
  });
});

describe('the end of a model server', () => {
  afterEach(async () => {
    for (const running of processes) await end(running);
  });

  it('answers what it has begun to receive before it goes', async () => {
    const server = await startServer('--stay-with-parent');
    const body = JSON.stringify({ id: 'a', text: 'Subject: hello\n\nhello' });
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      expect: '100-continue',
    };
    const begun = request(`${server.url}/classify`, { method: 'POST', headers });
    begun.flushHeaders();
    await once(begun, 'continue');
    server.process.kill('SIGTERM');
    while (await isListening(server));
    begun.end(body);
    const [response] = await once(begun, 'response');
    expect(JSON.parse(await text(response))).toMatchObject({ id: 'a', model: 'spam-v1' });
    await exited(server.process);
    expect(server.process.exitCode).toBe(0);
  });

  it('comes with the end of its parent, if asked for', async () => {
    const server = await startServer('--stay-with-parent');
    server.process.stdin!.end();
    await exited(server.process);
    expect(server.process.exitCode).toBe(0);
  });

  it('comes at once when options are missing or wrong', async () => {
    expect(await complaintOf('--model', 'spam-v1')).toContain(
      'missing --version, --port, --metrics-port, --cache',
    );
    expect(await complaintOf(...serverOptions, '--port', 'http')).toContain(
      '--port takes numbers, not "http"',
    );
    expect(await complaintOf(...serverOptions, '--model', 'spam-v9')).toContain('unknown model "spam-v9"');
  });
});

interface ModelServer {
  readonly process: ChildProcess;
  readonly url: string;
  readonly metricsUrl: string;
}

const serverOptions = [
  ...['--model', 'spam-v1', '--version', '1', '--port', '0', '--metrics-port', '0'],
  ...['--cache', cacheFolder],
];

/** `--stay-with-parent` ends a server also when the test run itself is killed. */
async function startServer(...options: string[]): Promise<ModelServer> {
  const child = spawnServer([...serverOptions, ...options], 'inherit');
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
  const { listening, metrics } = JSON.parse(line) as { listening: string; metrics: string };
  return { process: child, url: listening, metricsUrl: metrics };
}

async function complaintOf(...options: string[]): Promise<string> {
  const child = spawnServer(options, 'pipe');
  const complaint = await text(child.stderr!);
  await exited(child);
  expect(child.exitCode).toBe(1);
  return complaint;
}

function spawnServer(options: readonly string[], stderr: 'inherit' | 'pipe'): ChildProcess {
  const program = join(import.meta.dirname, 'model-server.ts');
  const child = spawn(process.execPath, ['--conditions=source', program, ...options], {
    stdio: ['pipe', 'pipe', stderr],
  });
  processes.add(child);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await exited(child);
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  processes.delete(child);
}

async function post(
  server: ModelServer,
  path: string,
  body: unknown,
  status = 200,
): Promise<Record<string, unknown>> {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  expect(response.status).toBe(status);
  return (await response.json()) as Record<string, unknown>;
}

async function latencyMs(server: ModelServer): Promise<number> {
  const startedAt = performance.now();
  await post(server, '/classify', { id: 'how long', text: 'Subject: hello\n\nhello' });
  return performance.now() - startedAt;
}

function isListening(server: ModelServer): Promise<boolean> {
  return fetch(`${server.url}/healthz`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(10_000),
  }).then(
    async response => (await response.text()) !== '',
    () => false,
  );
}

async function metrics(server: ModelServer): Promise<string> {
  return (await fetch(server.metricsUrl, { signal: AbortSignal.timeout(10_000) })).text();
}

async function accuracyScores(server: ModelServer): Promise<{ count: number; sum: number }> {
  const page = await metrics(server);
  const labelled = 'evaluation_name="accuracy",source="label"';
  return {
    count: sumOf(page, 'ml_evaluation_score_count', labelled),
    sum: sumOf(page, 'ml_evaluation_score_sum', labelled),
  };
}

/** Of all series of this name that have these labels. */
function sumOf(page: string, name: string, labels = ''): number {
  const lines = page.split('\n').filter(line => line.startsWith(`${name}{`) && line.includes(labels));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
