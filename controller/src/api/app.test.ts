import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answerOf, expectProblem, type Given, startApi } from '../../../test/support/api.ts';
import { type StartedDatabase, startEmbedded } from '../../../test/support/databases.ts';
import { eight, keptGenerations, upTo } from '../../../test/support/records.ts';
import type { Prober } from '../read/probes.ts';
import { keepAlerts } from '../record/alerts.ts';
import type { Database } from '../record/database.ts';

let started: StartedDatabase;
beforeAll(async () => {
  started = await startEmbedded();
});
beforeEach(() => started.clear());
afterAll(() => started.stop());

const world = (given: Partial<Given> = {}) => startApi({ database: started.database, prober, ...given });

const prober: Prober = {
  results: () =>
    new Map([
      ['spam-lr', { kind: 'passed', at: eight, durationMs: 3 }],
      ['chat-a', { kind: 'failed', at: eight, since: eight, failures: 2, reason: 'answered 500' }],
    ]),
  probe: async () => ({ kind: 'passed', at: eight, durationMs: 3 }),
  stop: async () => undefined,
};

/** A good request; a test changes one thing. */
const move = { route: 'mail-filter', target: 'spam-lr', reason: 'a trial', actor: 'ada' };
const path = '/api/v1/performance/switch-model';
const history = '/api/v1/performance/switch-history';
const status = '/api/v1/performance/model-status';

describe('model-status', () => {
  test('before the first assessment says so', async () => {
    const here = await world();
    expect((await here.get(status)).body).toMatchObject({
      evaluated_at: null,
      problem: 'the first assessment is under way',
      routes: [
        { route: 'mail-filter', phase: 'not_taken_over', decision: null },
        { route: 'chat', phase: 'not_taken_over' },
      ],
      models: [],
    });
  });

  test('shows every route and model, with decision, gateway, verdict and probe', async () => {
    const here = await world();
    await here.ticks(2);
    here.reader.behave({ 'spam-nb': 'failing' });
    await here.ticks(2);
    const { status: code, body } = await here.get(status);
    expect(code).toBe(200);
    expect(body).toMatchObject({
      evaluated_at: new Date(here.clock.now()).toISOString(),
      problem: null,
      routes: [
        {
          route: 'mail-filter',
          mode: 'auto',
          driver: 'dry-run',
          targets: ['spam-nb', 'spam-lr'],
          serving: 'spam-lr',
          weights: { 'spam-nb': 0, 'spam-lr': 10_000 },
          generation: 1,
          phase: 'failed_over',
          phase_since: new Date(here.clock.now()).toISOString(),
          pinned: null,
          gateway: { state: 'converged' },
          decision: {
            kind: 'failover',
            reason: 'degraded',
            signal: 'success',
            words: expect.stringContaining('spam-lr takes over'),
            alternatives: [{ model: 'spam-lr', chosen: true }],
          },
        },
        { route: 'chat', serving: 'chat-a', decision: { kind: 'hold' } },
      ],
      models: [
        {
          model_id: 'spam-nb',
          model_version: '1',
          verdict: 'critical',
          reason: 'success',
          probe: null,
          signals: [
            {
              signal: 'success',
              verdict: 'critical',
              vantage: 'gateway',
              critical: { stands: true, bad_fraction: 1 },
            },
            { signal: 'latency', verdict: 'unknown', reason: 'nothing was measured' },
            { signal: 'accuracy', verdict: 'unknown' },
            { signal: 'feedback', verdict: 'unknown' },
          ],
        },
        { model_id: 'spam-lr', verdict: 'healthy', probe: { result: 'passed' } },
        { model_id: 'chat-a', probe: { result: 'failed', reason: 'answered 500', failures: 2 } },
      ],
    });
  });

  test('shows resources beside the signals, with the instance and what would end it', async () => {
    const here = await world();
    here.reader.uses({ 'spam-nb': { gpu_memory: 0.99 } });
    await here.ticks(13);
    expect((await here.get(status)).body).toMatchObject({
      models: [
        {
          verdict: 'warning',
          reason: 'gpu_memory',
          signals: [{ signal: 'success', verdict: 'healthy' }, {}, {}, {}],
          resources: [
            {
              resource: 'gpu_memory',
              verdict: 'warning',
              reason: null,
              value: 0.99,
              instance: 'a:1',
              seen_at: new Date(here.clock.now()).toISOString(),
              since: new Date(here.clock.now()).toISOString(),
              warning_threshold: 0.95,
              critical_threshold: null,
              clear_below: 0.855,
              for_seconds: 60,
            },
          ],
        },
        { resources: [] },
        {},
      ],
    });
  });

  test('while nothing can be read keeps what is known, and says why', async () => {
    const here = await world();
    await here.ticks(2);
    here.reader.fail('Prometheus did not answer');
    await here.ticks(1);
    expect((await here.get(status)).body).toMatchObject({
      problem: 'Prometheus did not answer',
      routes: [{ serving: 'spam-nb', decision: { kind: 'hold', reason: 'unknown' } }, {}],
      models: [{ verdict: 'unknown', reason: 'nothing was measured' }, {}, {}],
    });
  });
});

describe('switch-model', () => {
  test('moves the route, tells the gateway and keeps who and why', async () => {
    const here = await world();
    await here.ticks(2);
    const answer = await here.post(path, move);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        route: 'mail-filter',
        target: 'spam-lr',
        generation: 1,
        weights: { 'spam-nb': 0, 'spam-lr': 10_000 },
        expires_at: null,
        outcome: 'applied',
      },
    });
    const held = await here.drivers.get('mail-filter')!.read('mail-filter', AbortSignal.timeout(100));
    expect(held).toMatchObject({ weights: { 'spam-lr': 10_000 }, generation: 1 });
    expect((await here.get(history)).body).toMatchObject({
      events: [
        {
          kind: 'manual',
          from_model: 'spam-nb',
          to_model: 'spam-lr',
          actor: 'ada',
          reason: 'a trial',
          outcome: 'applied',
          decision: { forced: false, target_verdict: { kind: 'healthy' } },
        },
      ],
      next_before: null,
    });
  });

  test('with an expiry pins the route; the pin is shown, and nothing moves by itself', async () => {
    const here = await world();
    await here.ticks(2);
    const expires = new Date(here.clock.now() + 3_600_000).toISOString();
    await here.post(path, { ...move, target: 'spam-nb', expires_at: expires });
    here.reader.behave({ 'spam-nb': 'failing' });
    await here.ticks(6);
    expect((await here.get(status)).body).toMatchObject({
      routes: [
        {
          serving: 'spam-nb',
          pinned: { target: 'spam-nb', actor: 'ada', reason: 'a trial', expires_at: expires },
          decision: { kind: 'hold', reason: 'pinned' },
        },
        {},
      ],
    });
    here.clock.advance(3_600_000);
    await here.ticks(3);
    expect((await here.get(status)).body).toMatchObject({ routes: [{ serving: 'spam-lr' }, {}] });
  });

  test('with the expected generation moves; with another one is refused and told the right one', async () => {
    const here = await world();
    await here.ticks(1);
    expect((await here.post(path, { ...move, expected_generation: 0 })).status).toBe(200);
    const answer = await here.post(path, { ...move, target: 'spam-nb', expected_generation: 0 });
    expectProblem(answer, 409, 'generation_conflict', 'at generation 1, not 0', /model-status/);
    expect(answer.body).toMatchObject({ generation: 1 });
    expect(await keptGenerations(started.database)).toEqual({ events: [1], state: 1 });
  });

  test('to a degraded target is refused, unless forced', async () => {
    const here = await world();
    await here.ticks(2);
    here.reader.behave({ 'spam-lr': 'failing' });
    await here.ticks(2);
    const answer = await here.post(path, move);
    expectProblem(answer, 409, 'target_degraded', 'spam-lr is degraded', /"force": true/);
    expect(await keptGenerations(started.database)).toEqual({ events: [], state: 0 });
    expect((await here.post(path, { ...move, force: true })).status).toBe(200);
    expect((await here.get(history)).body).toMatchObject({ events: [{ decision: { forced: true } }] });
  });

  test('that somebody else was quicker with is refused', async () => {
    const database: Database = {
      ...started.database,
      async transaction(work) {
        await started.database.query('UPDATE relaycore.route_states SET generation = generation + 1');
        return started.database.transaction(work);
      },
    };
    const here = await world({ database });
    await here.ticks(1);
    expectProblem(await here.post(path, move), 409, 'generation_conflict', 'meanwhile', /send it again/);
  });

  test('of a route whose gateway never answered is refused', async () => {
    const here = await world();
    expectProblem(await here.post(path, move), 409, 'not_taken_over', 'no state yet', /wait/);
  });

  test.each<[string, object, number, string, RegExp, RegExp]>([
    ['unknown route', { route: 'males' }, 404, 'unknown_route', /no route "males"/, /mail-filter, chat/],
    [
      'target of another route',
      { target: 'chat-a' },
      422,
      'unknown_target',
      /"chat-a" is no target/,
      /spam-nb, spam-lr/,
    ],
    [
      'expiry in the past',
      { expires_at: '2020-01-01T00:00:00Z' },
      422,
      'expired',
      /in the past/,
      /later time/,
    ],
    ['no reason', { reason: '  ' }, 422, 'invalid_request', /reason: /, /listed under problems/],
    ['long reason', { reason: 'x'.repeat(201) }, 422, 'invalid_request', /reason: /, /problems/],
    ['NUL in the reason', { reason: 'a\0b' }, 422, 'invalid_request', /reason: /, /problems/],
    ['half a character', { reason: 'a\ud800' }, 422, 'invalid_request', /reason: /, /problems/],
    ['NUL in the actor', { actor: 'a\0b' }, 422, 'invalid_request', /actor: /, /problems/],
    ['misspelt key', { expiresAt: 'soon' }, 422, 'invalid_request', /expiresAt/, /problems/],
    [
      'time without zone',
      { expires_at: '2030-01-01T00:00:00' },
      422,
      'invalid_request',
      /expires_at: /,
      /problems/,
    ],
    [
      'fraction as generation',
      { expected_generation: 0.5 },
      422,
      'invalid_request',
      /expected_generation: /,
      /problems/,
    ],
  ])('with %s is refused and moves nothing', async (_, change, code, kind, detail, remedy) => {
    const here = await world();
    await here.ticks(1);
    expectProblem(await here.post(path, { ...move, ...change }), code, kind, detail, remedy);
    expect(await keptGenerations(started.database)).toEqual({ events: [], state: 0 });
  });

  test('with several mistakes is told all of them', async () => {
    const here = await world();
    const answer = await here.post(path, { route: '', target: 7, force: 'yes', surprise: true });
    expectProblem(answer, 422, 'invalid_request', /route: .*target: .*reason: .*force: /, /problems/);
    const { problems } = answer.body as { problems: { path: string; message: string }[] };
    expect(problems.map(problem => problem.path).sort()).toEqual([
      '(body)',
      'force',
      'reason',
      'route',
      'target',
    ]);
  });

  test.each(['null', '[]', '"text"', ''])('with the body %j is refused', async body => {
    const here = await world();
    const { status: code } = await here.post(path, body);
    expect([400, 422]).toContain(code);
  });

  describe('and an idempotency key', () => {
    const key = { 'idempotency-key': 'k1' };

    test('the same key gives the same answer and moves once', async () => {
      const here = await world();
      await here.ticks(1);
      const first = await here.post(path, move, key);
      const reordered = Object.fromEntries(Object.entries(move).toReversed());
      expect(await here.post(path, reordered, key)).toEqual(first);
      expect(await keptGenerations(started.database)).toEqual({ events: [1], state: 1 });
    });

    test('ten at once move once', async () => {
      const here = await world();
      await here.ticks(1);
      const answers = await Promise.all(upTo(10).map(() => here.post(path, move, key)));
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(await keptGenerations(started.database)).toEqual({ events: [1], state: 1 });
    });

    test('another request with it is refused', async () => {
      const here = await world();
      await here.ticks(1);
      await here.post(path, move, key);
      const answer = await here.post(path, { ...move, target: 'spam-nb' }, key);
      expectProblem(answer, 422, 'idempotency_key_reused', 'another request', /new key/);
    });

    test('a refusal is not remembered: the same request may be good later', async () => {
      const here = await world();
      expect((await here.post(path, move, key)).status).toBe(409);
      await here.ticks(1);
      expect((await here.post(path, move, key)).status).toBe(200);
    });

    test('that cannot be kept is refused before anything moves', async () => {
      const here = await world();
      await here.ticks(1);
      for (const bad of ['x'.repeat(256), ''])
        expectProblem(
          await here.post(path, move, { 'idempotency-key': bad }),
          422,
          'invalid_idempotency_key',
          /Idempotency-Key/,
          /1 to 255/,
        );
      expect(await keptGenerations(started.database)).toEqual({ events: [], state: 0 });
    });
  });
});

describe('switch-history', () => {
  test('pages follow each other through next_before, without gap or repetition', async () => {
    const here = await world();
    await here.ticks(1);
    for (const index of upTo(7))
      await here.post(path, { ...move, target: index % 2 ? 'spam-lr' : 'spam-nb' });
    const seen: unknown[] = [];
    let next: unknown = null;
    do {
      const before = next === null ? '' : `&before=${next}`;
      const { body } = await here.get(`${history}?route=mail-filter&limit=3${before}`);
      seen.push(...body.events!.map(({ generation }) => generation));
      next = body.next_before;
    } while (next !== null);
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1]);
  });

  test('is filtered by route, model and kind', async () => {
    const here = await world();
    await here.ticks(1);
    await here.post(path, move);
    const count = async (query: string) => (await here.get(`${history}?${query}`)).body.events!.length;
    expect(await count('kind=manual&model=spam-lr&route=mail-filter')).toBe(1);
    expect(await count('kind=failover')).toBe(0);
    expect(await count('model=chat-a')).toBe(0);
    expect(await count('route=chat')).toBe(0);
  });

  test.each([
    'limit=0',
    'limit=501',
    'limit=many',
    'limit=',
    'before=0',
    'before=99999999999',
    'kind=panic',
    'rout=chat',
    'route=%00',
  ])('refuses ?%s', async query => {
    const here = await world();
    expectProblem(
      await here.get(`${history}?${query}`),
      422,
      'invalid_request',
      /cannot be understood/,
      /problems/,
    );
  });
});

describe('alerts', () => {
  const alerts = '/api/v1/performance/alerts';
  const notice = {
    name: 'ModelSuccessCritical',
    type: 'success',
    severity: 'critical',
    message: 'spam-nb fails',
    startsAt: eight,
    model: 'spam-nb',
    labels: {},
    annotations: {},
  };

  test('come in pages, and filtered', async () => {
    const here = await world();
    const notices = upTo(5).map(index => ({
      ...notice,
      fingerprint: `f${index}`,
      ...(index === 5 && { endsAt: eight }),
    }));
    await keepAlerts(started.database, notices, eight);
    const first = await here.get(`${alerts}?active=true&model=spam-nb&severity=critical&limit=3`);
    expect(first.body.alerts!.map(({ fingerprint }) => fingerprint)).toEqual(['f4', 'f3', 'f2']);
    const second = await here.get(`${alerts}?active=true&limit=3&before=${first.body.next_before}`);
    expect(second.body).toMatchObject({ alerts: [{ fingerprint: 'f1' }], next_before: null });
    const resolved = await here.get(`${alerts}?active=false`);
    expect(resolved.body).toMatchObject({ alerts: [{ fingerprint: 'f5', resolved: true }] });
  });

  test.each(['active=perhaps', 'severity=bad', 'before=99999999999'])('refuses ?%s', async query => {
    const here = await world();
    expectProblem(await here.get(`${alerts}?${query}`), 422, 'invalid_request', /understood/, /problems/);
  });
});

describe('every request', () => {
  test('for nothing that is there is told so', async () => {
    const here = await world();
    for (const where of ['/', '/api/v1/performance/nothing', '/api/v2'])
      expectProblem(await here.get(where), 404, 'not_found', `GET ${where}`, /README/);
    expectProblem(await here.post(status, {}), 404, 'not_found', `POST ${status}`, /README/);
  });

  test('whose body is no JSON is told so', async () => {
    const here = await world();
    expectProblem(await here.post(path, '{"route": '), 400, 'bad_request', /JSON/, /application\/json/);
  });

  test('whose body is too large is told so', async () => {
    const here = await world();
    const answer = await here.post(path, { ...move, reason: 'x'.repeat(1_100_000) });
    expectProblem(answer, 413, 'too_large', /too large/, /1 MB/);
  });

  test('whose path cannot be decoded is told so', async () => {
    const here = await world();
    expect((await here.get('/api/v1/performance/%')).status).toBeLessThan(500);
  });

  test('that fails inside is answered without what failed', async () => {
    const database: Database = {
      ...started.database,
      query: () => Promise.reject(new Error('secret detail')),
    };
    const here = await world({ database });
    const answer = await here.get(history);
    expectProblem(answer, 500, 'internal_error', 'could not do this', /log/);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });
});

describe('with a token', () => {
  const token = 'a-secret-of-some-length';
  const paths = [
    ['GET', status],
    ['GET', history],
    ['GET', '/api/v1/performance/alerts'],
    ['POST', path],
    ['POST', '/api/v1/alerts/alertmanager'],
    ['GET', '/api/nothing'],
  ] as const;

  test.each(paths)('%s %s needs it', async (method, where) => {
    const here = await world({ token });
    for (const authorization of [
      undefined,
      '',
      'Bearer wrong',
      `Basic ${token}`,
      `Bearer ${token}x`,
      token,
    ]) {
      const headers = { ...(authorization !== undefined && { authorization }) };
      const answer = await answerOf(await here.ask(where, { method, headers }));
      expectProblem(answer, 401, 'unauthorized', 'bearer token', /Authorization: Bearer/);
    }
  });

  test('it opens the API; health, readiness and metrics are open without', async () => {
    const here = await world({ token });
    const headers = { authorization: `Bearer ${token}` };
    expect((await here.ask(status, { headers })).status).toBe(200);
    await here.ticks(1);
    for (const where of ['/healthz', '/readyz', '/metrics']) expect((await here.ask(where)).status).toBe(200);
  });
});

describe('health', () => {
  test('/healthz is good as long as the process answers', async () => {
    const here = await world();
    expect(await here.get('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  test('/readyz waits for the first assessment, and notices when they stop', async () => {
    const here = await world();
    const ready = async () => {
      const { status: code, body } = await here.get('/readyz');
      return { code, ...body };
    };
    expect(await ready()).toEqual({
      code: 503,
      ready: false,
      problems: ['the first assessment is under way'],
    });
    await here.ticks(1);
    expect(await ready()).toEqual({ code: 200, ready: true, problems: [] });
    here.clock.advance(31_000);
    expect(await ready()).toEqual({
      code: 503,
      ready: false,
      problems: ['the last assessment is too long ago'],
    });
    here.reader.fail('Prometheus did not answer');
    await here.ticks(1);
    expect(await ready()).toEqual({ code: 503, ready: false, problems: ['Prometheus did not answer'] });
  });

  test('/readyz names a database that does not answer', async () => {
    let down = false;
    const query: Database['query'] = (sql, values) =>
      down ? Promise.reject(new Error('connection refused')) : started.database.query(sql, values);
    const here = await world({ database: { ...started.database, query } });
    await here.ticks(1);
    down = true;
    expect(await here.get('/readyz')).toMatchObject({
      status: 503,
      body: { problems: ['the database does not answer: connection refused'] },
    });
  });
});

describe('/metrics', () => {
  test('is a page that promtool accepts, also after a switch', async () => {
    const here = await world();
    expect((await here.ask('/metrics')).status).toBe(200);
    await here.ticks(2);
    await expectAccepted(await here.ask('/metrics'));
    here.reader.behave({ 'spam-nb': 'failing' });
    await here.ticks(2);
    const page = await expectAccepted(await here.ask('/metrics'));
    for (const line of [
      'relaycore_model_verdict{model="spam-nb",version="1",signal="success",level="critical"} 1',
      'relaycore_model_known{model="spam-lr",version="2",signal="success"} 1',
      'relaycore_model_known{model="spam-lr",version="2",signal="latency"} 0',
      'relaycore_route_weight{route="mail-filter",model="spam-lr"} 10000',
      'relaycore_route_generation{route="mail-filter"} 1',
      'relaycore_route_phase{route="mail-filter",phase="failed_over"} 1',
      'relaycore_route_phase{route="mail-filter",phase="primary"} 0',
      'relaycore_route_converged{route="mail-filter"} 1',
      'relaycore_switches_total{route="mail-filter",from="spam-nb",to="spam-lr",reason="failover"} 1',
      `relaycore_last_evaluation_timestamp_seconds ${here.clock.now() / 1000}`,
    ])
      expect(page).toContain(`\n${line}\n`);
  });

  async function expectAccepted(response: Response): Promise<string> {
    const page = await response.text();
    const {
      status: code,
      stdout,
      stderr,
      error,
    } = spawnSync('promtool', ['check', 'metrics'], {
      input: page,
      encoding: 'utf8',
      timeout: 10_000,
    });
    expect({ error, output: stdout + stderr, code }).toEqual({ error: undefined, output: '', code: 0 });
    return page;
  }
});
