import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import { refusingAddress, startServer, until } from '../../relay/fixture.ts';
import { type Prober, startProber } from './probes.ts';

const spamProbe = `
      - { name: is alive, path: /healthz }
      - name: a known spam
        method: POST
        path: /classify
        body: { text: buy now }
        expect: { json: { pointer: /verdicts/0/is~1spam, equals: true } }`;

/** A policy with one probed target, and a model that no route uses. */
const policyFor = (endpoint: string, probes = '[]', intervalSeconds = 3600) =>
  policyOf(`
probes: { interval_seconds: ${intervalSeconds}, timeout_seconds: 0.3 }
models:
  spam-nb:
    endpoint: '${endpoint}'
    probes: ${probes}
  unused: { endpoint: '${endpoint}' }
  elsewhere: {}
routes: { mail-filter: { targets: [spam-nb, elsewhere] } }
`);

function start(...given: Parameters<typeof policyFor>): Prober {
  let now = 1_000;
  const policy = policyFor(...given);
  const prober = startProber(
    () => policy,
    () => now++,
  );
  onTestFinished(() => prober.stop());
  return prober;
}

async function firstResult(prober: Prober) {
  await until(() => prober.results().has('spam-nb'));
  return prober.results().get('spam-nb')!;
}

const answering = (status: number, body = ''): RequestListener => {
  return (_, response) => void response.writeHead(status).end(body);
};

test.each([200, 404, 401])(
  'a target without probes of its own passes when it answers at all, here %i',
  async status => {
    const prober = start(await startServer(answering(status)));
    expect(await firstResult(prober)).toEqual({ kind: 'passed', at: 1_000, durationMs: expect.any(Number) });
    expect([...prober.results().keys()]).toEqual(['spam-nb']);
  },
);

test('and fails when all it has is an error', async () => {
  const result = await firstResult(start(await startServer(answering(503))));
  expect(result).toMatchObject({ kind: 'failed', reason: 'answers at all: answered 503', failures: 1 });
});

test('probes send what they should and compare what comes back', async () => {
  const asked: unknown[] = [];
  const url = await startServer(async (request: IncomingMessage, response: ServerResponse) => {
    const body = request.method === 'POST' ? await json(request) : undefined;
    asked.push([request.method, request.url, body]);
    response.end(JSON.stringify({ verdicts: [{ 'is/spam': true }] }));
  });
  expect((await firstResult(start(url, spamProbe))).kind).toBe('passed');
  expect(asked).toEqual([
    ['GET', '/healthz', undefined],
    ['POST', '/classify', { text: 'buy now' }],
  ]);
});

test.each([
  ['another value', 200, '{"verdicts":[{"is/spam":false}]}', '/verdicts/0/is~1spam is false instead of true'],
  ['nothing there', 200, '{"verdicts":[]}', '/verdicts/0/is~1spam is undefined instead of true'],
  ['no JSON', 200, '<h1>Welcome</h1>', /not valid JSON/],
  ['another status', 201, '{"verdicts":[{"is/spam":true}]}', 'answered 201 instead of 200'],
])('%s is a failure that says so', async (_, status, body, reason) => {
  const url = await startServer((request, response) => {
    response.writeHead(request.method === 'GET' ? 200 : status).end(body);
  });
  const result = await firstResult(start(url, spamProbe));
  expect(result).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/^a known spam: /) });
  expect(result).toMatchObject({
    reason: typeof reason === 'string' ? `a known spam: ${reason}` : expect.stringMatching(reason),
  });
});

test('the first probe that fails is the reason, and the others are not sent', async () => {
  let requests = 0;
  const url = await startServer((_, response) => {
    requests += 1;
    response.writeHead(500).end();
  });
  expect(await firstResult(start(url, spamProbe))).toMatchObject({
    reason: 'is alive: answered 500 instead of 200',
  });
  expect(requests).toBe(1);
});

test('a target that refuses, and one that never answers, fail with the reason', async () => {
  expect(await firstResult(start(await refusingAddress()))).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/ECONNREFUSED/),
  });
  expect(await firstResult(start(await startServer(() => undefined)))).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/timeout/),
  });
});

test('failures in a row are counted since the first one; one success ends them', async () => {
  let status = 500;
  const url = await startServer((request, response) => answering(status)(request, response));
  const prober = start(url);
  await firstResult(prober);
  const model = policyFor(url).models['spam-nb']!;
  expect(await prober.probe(model)).toMatchObject({ kind: 'failed', failures: 2, since: 1_000, at: 1_001 });
  status = 200;
  expect(await prober.probe(model)).toMatchObject({ kind: 'passed', at: 1_002 });
  status = 500;
  expect(await prober.probe(model)).toMatchObject({ kind: 'failed', failures: 1, since: 1_003 });
});

test('targets are probed again and again, one round after the other; stopping waits for the one under way', async () => {
  let requests = 0;
  let answers = true;
  const held: ServerResponse[] = [];
  const url = await startServer((_, response) => {
    requests += 1;
    if (answers) response.end();
    else held.push(response);
  });
  const prober = start(url, '[]', 0.01);
  await until(() => requests >= 3);
  answers = false;
  await until(() => held.length > 0);
  let stopped = false;
  const stopping = prober.stop().then(() => {
    stopped = true;
  });
  await delay(50);
  expect({ stopped, underWay: held.length }).toEqual({ stopped: false, underWay: 1 });
  held[0]!.end();
  await stopping;
  const after = requests;
  await delay(50);
  expect(requests).toBe(after);
});
