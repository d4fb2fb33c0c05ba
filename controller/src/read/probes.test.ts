import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { loadPolicy, type Policy } from '@relaycore/rules';
import { describe, expect, onTestFinished, test } from 'vitest';
import { refusingAddress, startNetServer, startServer, temporaryFolder, until } from '../../relay/fixture.ts';
import { lookAt } from './look.ts';
import { type Prober, startProber } from './probes.ts';

const spamProbe = `
      - { name: is alive, path: /healthz }
      - name: a known spam
        method: POST
        path: /classify
        body: { text: buy now }
        expect: { json: { pointer: /verdicts/0/is~1spam, equals: true } }`;

interface Given {
  readonly probes?: string;
  readonly probing?: string;
  readonly intervalSeconds?: number;
}

const environment = { MODEL_KEY: 'sk-"very"/secret' };

/** A policy with one probed target, and a model that no route uses. */
function policyFor(
  endpoint: string,
  { probes = '[]', probing = '{}', intervalSeconds = 3600 }: Given = {},
): Policy {
  const loaded = loadPolicy(
    `
probes: { interval_seconds: ${intervalSeconds}, timeout_seconds: 20 }
models:
  spam-nb:
    endpoint: '${endpoint}'
    probes: ${probes}
    probing: ${probing}
  unused: { endpoint: '${endpoint}' }
  elsewhere: {}
routes: { mail-filter: { targets: [spam-nb, elsewhere] } }
`,
    environment,
  );
  if (loaded.kind === 'ok') return loaded.policy;
  throw new Error(JSON.stringify(loaded.problems));
}

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

const answering = (status: number, body = '', headers = {}): RequestListener => {
  return (_, response) => void response.writeHead(status, headers).end(body);
};

describe('on their schedule', () => {
  test.each([200, 404, 401])(
    'a target without probes of its own passes when it answers at all, here %i',
    async status => {
      const prober = start(await startServer(answering(status)));
      expect(await firstResult(prober)).toMatchObject({
        kind: 'passed',
        at: 1_000,
        sent: { requests: 0, bad: 0 },
      });
      expect([...prober.results().keys()]).toEqual(['spam-nb']);
    },
  );

  test('and fails when all it has is an error', async () => {
    const result = await firstResult(start(await startServer(answering(503))));
    expect(result).toMatchObject({ kind: 'failed', failures: 1 });
    expect(result).toMatchObject({ reason: expect.stringMatching(/^answers at all: answered 503/) });
  });

  test('the first probe that fails is the reason, and the others are not sent', async () => {
    let requests = 0;
    const url = await startServer((_, response) => {
      requests += 1;
      response.writeHead(500).end();
    });
    expect(await firstResult(start(url, { probes: spamProbe }))).toMatchObject({
      reason: 'is alive: answered 500 instead of 200',
      sent: { requests: 1, bad: 1 },
    });
    expect(requests).toBe(1);
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

  test('a target is looked at again and again, one look after the other; stopping waits for the one under way', async () => {
    let requests = 0;
    let answers = true;
    const held: ServerResponse[] = [];
    const url = await startServer((_, response) => {
      requests += 1;
      if (answers) response.end();
      else held.push(response);
    });
    const prober = start(url, { intervalSeconds: 0.01 });
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

  test('no more requests a minute than the policy allows, whoever asks; the last look stands', async () => {
    let requests = 0;
    const url = await startServer((_, response) => {
      requests += 1;
      response.end();
    });
    const probes = '[{ name: one, path: /1 }, { name: two, path: /2 }]';
    const given = { probes, probing: '{ every_seconds: 60, max_per_minute: 5 }' };
    const prober = start(url, given);
    await firstResult(prober);
    const model = policyFor(url, given).models['spam-nb']!;
    await prober.probe(model);
    expect(await prober.probe(model)).toMatchObject({ kind: 'passed', at: 1_001 });
    expect(requests).toBe(4);
  });

  test('who asks while a look is under way gets that one', async () => {
    const held: ServerResponse[] = [];
    const url = await startServer((_, response) => void held.push(response));
    const prober = start(url);
    await until(() => held.length === 1);
    const asked = prober.probe(policyFor(url).models['spam-nb']!);
    held[0]!.end();
    expect(await asked).toMatchObject({ kind: 'passed', at: 1_000 });
    expect(held.length).toBe(1);
  });
});

/** One golden request, and what the look at it says. */
async function look(url: string, probe: string, probing = '{}') {
  const model = policyFor(url, { probes: `[${probe}]`, probing }).models['spam-nb']!;
  return lookAt(model, { all: true });
}

describe('a golden request', () => {
  test('is sent as it is written: method, body, headers, on a connection of its own', async () => {
    const asked: unknown[] = [];
    const url = await startServer(async (request: IncomingMessage, response: ServerResponse) => {
      const { authorization, connection, 'content-type': type } = request.headers;
      const body = request.method === 'POST' ? await json(request) : undefined;
      asked.push([request.method, request.url, body, authorization, connection, type]);
      response.end(JSON.stringify({ verdicts: [{ 'is/spam': true }] }));
    });
    const probe = `{ name: p, method: POST, path: /classify, headers: { authorization: 'Bearer \${MODEL_KEY}' }, body: { text: buy now } }`;
    expect((await look(url, probe)).failure).toBeUndefined();
    expect(asked).toEqual([
      ['POST', '/classify', { text: 'buy now' }, 'Bearer sk-"very"/secret', 'close', 'application/json'],
    ]);
  });

  test('may be a text, of a type that the policy gives', async () => {
    const url = await startServer((request, response) => {
      response.setHeader('content-type', request.headers['content-type']!);
      request.pipe(response);
    });
    const text = (headers: string) =>
      look(
        url,
        `{ name: p, method: POST, path: /, ${headers} body: buy now, expect: { matches: ^buy now$ } }`,
      );
    expect((await text('')).failure).toBeUndefined();
    expect((await text('headers: { content-type: text/csv },')).failure).toBeUndefined();
  });

  const found = { a: { b: [1, 'Paris, of course'] }, p: 0.7, label: 'spam', long: 'x'.repeat(500) };
  test.each([
    ['{ status: [200, 204] }', undefined],
    ['{ status: [201, 204] }', 'answered 200 instead of 201 or 204'],
    ['{ json: { pointer: /a, equals: { b: [1, "Paris, of course"] } } }', undefined],
    ['{ json: { pointer: /a/b/0, equals: "1" } }', '/a/b/0 is 1 instead of "1"'],
    ['{ json: { pointer: /b, equals: true } }', '/b is missing instead of true'],
    ['{ json: { pointer: /constructor, matches: x } }', '/constructor does not match x: missing'],
    ['{ json: { pointer: /a/b/1, matches: "(?i)paris" } }', undefined],
    ['{ json: { pointer: /a/b/1, matches: ^paris } }', '/a/b/1 does not match ^paris: "Paris, of course"'],
    ['{ json: { pointer: /a/b/0, matches: "1" } }', '/a/b/0 does not match 1: 1'],
    ['{ json: { pointer: /p, at_least: 0.5, at_most: 0.7 } }', undefined],
    ['{ json: { pointer: /p, at_least: 0.8 } }', '/p is 0.7, not a number of at least 0.8'],
    ['{ json: { pointer: /p, at_most: 0.5 } }', '/p is 0.7, not a number of at most 0.5'],
    ['{ json: { pointer: /label, at_least: 0, at_most: 1 } }', '/label is "spam", not a number from 0 to 1'],
    ['{ json: [{ pointer: /p, at_least: 0 }, { pointer: /p, equals: 1 }] }', '/p is 0.7 instead of 1'],
    ['{ matches: Paris }', undefined],
    ['{ score: { pointer: /p, at_least: 0.7 } }', undefined],
    ['{ score: { pointer: /p, at_least: 0.9 } }', 'the score at /p is 0.7, less than 0.9'],
    [
      '{ score: { pointer: /a, at_least: 0.9 } }',
      '/a is {"b":[1,"Paris, of course"]}, not a score from 0 to 1',
    ],
    ['{ json: { pointer: /long, equals: "" } }', `/long is "${'x'.repeat(119)}… instead of ""`],
  ])('that expects %s', async (expected, reason) => {
    const url = await startServer(answering(200, JSON.stringify(found)));
    const { failure } = await look(url, `{ name: p, path: /, expect: ${expected} }`);
    expect(failure).toBe(reason && `p: ${reason}`);
  });

  test.each<[string, RequestListener, string, RegExp | string]>([
    [
      'redirects',
      answering(302, '', { location: '/elsewhere' }),
      'unexpected',
      'answered 302 instead of 200',
    ],
    [
      'answers HTML',
      answering(200, '<h1>Hi</h1>', { 'content-type': 'text/html' }),
      'unexpected',
      'the answer is not valid JSON (text/html)',
    ],
    ['answers nothing', answering(200), 'unexpected', 'the answer is not valid JSON (no content type)'],
    ['never answers', () => undefined, 'timeout', 'gave no whole answer within 300 ms (timeout)'],
    [
      'answers half and hangs',
      (_, response) => void response.writeHead(200).write('{'),
      'timeout',
      /no whole answer/,
    ],
    [
      'answers half and breaks off',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 }).write('{');
        setImmediate(() => response.destroy());
      },
      'unreachable',
      /terminated|closed/,
    ],
    [
      'answers without end',
      (_, response) => {
        const more = () => response.destroyed || response.write('x'.repeat(65_536), more);
        more();
      },
      'too_large',
      'answered more than 1048576 bytes',
    ],
  ])('fails with its reason when the target %s', async (_, listener, outcome, reason) => {
    const probing = outcome === 'timeout' ? '{ timeout_seconds: 0.3 }' : '{}';
    const probe = '{ name: p, path: /, expect: { json: { pointer: /a, equals: 1 } } }';
    const { outcomes } = await look(await startServer(listener), probe, probing);
    expect(outcomes).toMatchObject([
      { outcome, reason: typeof reason === 'string' ? reason : expect.stringMatching(reason) },
    ]);
  });

  test('fails when the target refuses, or is slower than allowed', async () => {
    const refused = await look(await refusingAddress(), '{ name: p, path: / }');
    expect(refused).toMatchObject({ failure: expect.stringMatching(/ECONNREFUSED/) });
    expect(refused.outcomes).toMatchObject([{ outcome: 'unreachable' }]);
    const slow = await startServer((_, response) => void setTimeout(() => response.end(), 60));
    const late = await look(slow, '{ name: p, path: /, expect: { max_latency_ms: 20 } }');
    expect(late.failure).toMatch(/^p: took \d+ ms, more than 20 ms$/);
    expect(late.outcomes).toMatchObject([{ outcome: 'slow' }]);
  });

  test('sees the certificate of its target: one that nobody vouches for is a failure', async () => {
    const folder = temporaryFolder();
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const files = ['-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, ...files], { stdio: 'pipe' });
    const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, answering(200));
    const url = (await startNetServer(server)).replace('http://127.0.0.1', 'https://localhost');
    expect((await look(url, '{ name: p, path: / }')).failure).toMatch(/self-signed certificate/);
    const before = getCACertificates();
    setDefaultCACertificates([...before, readFileSync(cert, 'utf8')]);
    onTestFinished(() => setDefaultCACertificates(before));
    expect((await look(url, '{ name: p, path: / }')).failure).toBeUndefined();
  });
});

describe('labels and scores', () => {
  const label = (name: string, path: string) =>
    `{ name: ${name}, path: /${path}, expect: { label: { pointer: /label, equals: spam } } }`;
  /** Says of `/right` what is expected, and of everything else something else. */
  const labelling: RequestListener = (request, response) =>
    void response.end(JSON.stringify({ label: request.url === '/right' ? 'spam' : 'ham' }));

  test('a wrong label counts against the share that has to be right', async () => {
    const url = await startServer(labelling);
    const three = [label('a', 'right'), label('b', 'wrong'), label('c', 'right')].join(', ');
    const most = await look(url, three, '{ score_at_least: 0.6 }');
    expect(most).toMatchObject({ score: 2 / 3 });
    expect(most.failure).toBeUndefined();
    expect((await look(url, three, '{ score_at_least: 0.9 }')).failure).toBe(
      'score 0.6667 of 3 golden requests, less than 0.9: b: labels it "ham" instead of "spam"',
    );
    expect((await look(url, three)).failure).toMatch(/less than 1:/);
  });

  test('scores are taken as they are, and the mean has to reach the minimum', async () => {
    const url = await startServer(
      (request, response) => void response.end(`{"p":0.${request.url!.slice(1)}}`),
    );
    const two = [5, 9]
      .map(p => `{ name: p${p}, path: /${p}, expect: { score: { pointer: /p } } }`)
      .join(', ');
    expect(await look(url, two, '{ score_at_least: 0.7 }')).toMatchObject({ score: 0.7 });
    expect((await look(url, two, '{ score_at_least: 0.8 }')).failure).toBe(
      'score 0.7 of 2 golden requests, less than 0.8',
    );
  });
});

test('a secret that the model answers with, or that an error quotes, is not shown', async () => {
  const url = await startServer((request, response) => {
    const echo = { key: request.headers['x-api-key'], [`${request.headers['x-api-key']}`]: [request.url] };
    response.writeHead(200, { 'content-type': `text/${request.headers['x-api-key']}` });
    response.end(request.url === '/text' ? echo.key : JSON.stringify(echo));
  });
  const shown = await look(
    url,
    ['/', '/text']
      .flatMap(path =>
        [
          'json: { pointer: "", equals: "${MODEL_KEY}" }',
          'matches: nothing of it',
          'label: { pointer: /key, equals: 1 }',
        ].map(
          expected =>
            `{ name: '${path} ${expected.slice(0, 5)}', path: '${path}', headers: { x-api-key: '\${MODEL_KEY}' }, expect: { ${expected} } }`,
        ),
      )
      .join(', '),
  );
  expect(shown.outcomes).toHaveLength(6);
  expect(JSON.stringify(shown)).toContain('[secret]');
  expect(JSON.stringify(shown)).not.toMatch(/very|sk-/);
});
