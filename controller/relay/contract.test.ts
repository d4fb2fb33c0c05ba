import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, openRequest, putRoute, startGateway, targetsAt, temporaryFolder } from './fixture.ts';

const routes = { mail: { targets: targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2') } };
const good = { weights: { b: 10_000 }, generation: 5, reason: 'a is slow', updated_by: 'controller-1' };
const initial = { route: 'mail', weights: { a: 10_000, b: 0 }, generation: 0 };

describe('GET', () => {
  test('answers the state with its generation as tag', async () => {
    const { url } = await startGateway({ routes });
    const response = await ask(`${url}/api/v1/routes/mail`);
    expect(response.headers.get('etag')).toBe('"0"');
    expect(await response.json()).toEqual({
      success: true,
      data: { ...initial, updated_at: null, updated_by: null, reason: 'initial weights' },
    });
  });

  test('answers 304 to a poll that knows the generation', async () => {
    const { url } = await startGateway({ routes });
    const { answer } = await openRequest(`${url}/api/v1/routes/mail`, {
      headers: { 'if-none-match': '"0"' },
    });
    expect(answer.resume().statusCode).toBe(304);
  });

  test('answers 404 to an unknown route, and names the known ones', async () => {
    const { url } = await startGateway({ routes });
    const response = await ask(`${url}/api/v1/routes/males`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ success: false, error: { code: 'unknown_route' } });
  });
});

describe('PUT', () => {
  test('sets weights; targets that are not named get none', async () => {
    const { url, relay, telemetry } = await startGateway({ routes });
    const { status, headers, body } = await putRoute(url, 'mail', good);
    expect({ status, tag: headers.get('etag') }).toEqual({ status: 200, tag: '"5"' });
    const data = { ...good, route: 'mail', weights: { a: 0, b: 10_000 }, changed: true };
    expect(body).toEqual({ success: true, data: { ...data, updated_at: expect.any(String) } });
    expect(Math.abs(Date.parse(body.data.updated_at) - Date.now())).toBeLessThan(60_000);
    expect(relay.pick('mail')).toEqual({
      model: 'b',
      version: '1',
      url: 'http://127.0.0.1:2',
      generation: 5,
    });
    expect(telemetry.readRoutes()).toMatchObject([
      { route: 'mail', generation: 5, weights: { a: 0, b: 10_000 } },
    ]);
  });

  test('repeated changes nothing, also with the If-Match of before', async () => {
    const { url } = await startGateway({ routes });
    const headers = { 'if-match': '"0"', 'idempotency-key': 'k1' };
    const first = await putRoute(url, 'mail', good, headers);
    const second = await putRoute(url, 'mail', good, headers);
    expect(first.body.data.changed).toBe(true);
    expect(second).toMatchObject({ status: 200, body: { data: { ...first.body.data, changed: false } } });
  });

  test('with the same weights and a higher generation moves the generation', async () => {
    const { url } = await startGateway({ routes });
    await putRoute(url, 'mail', good);
    const { body } = await putRoute(url, 'mail', { ...good, generation: 6 });
    expect(body.data).toMatchObject({ changed: true, generation: 6 });
  });

  test.each([
    ['an older generation', { generation: 4 }, {}, 'is at generation 5, 4 is older'],
    ['the same generation with other weights', { weights: { a: 10_000 } }, {}, 'with a higher generation'],
    ['another If-Match', { generation: 6 }, { 'if-match': '"4"' }, 'If-Match asks for "4"'],
    ['a weak If-Match', { generation: 6 }, { 'if-match': 'W/"5"' }, 'If-Match asks for W/"5"'],
  ])('answers 412 with the state to %s', async (_name, part, headers, message) => {
    const { url, relay } = await startGateway({ routes });
    await putRoute(url, 'mail', good);
    const answer = await putRoute(url, 'mail', { ...good, ...part }, headers);
    expect(answer).toMatchObject({
      status: 412,
      body: { success: false, data: { generation: 5, route: 'mail' } },
    });
    expect(answer.body.error.message).toContain(message);
    expect(answer.headers.get('etag')).toBe('"5"');
    expect(relay.state('mail').weights).toEqual({ a: 0, b: 10_000 });
  });

  test.each([['"5"'], ['"1", "5"'], ['*']])('applies with If-Match: %s', async tags => {
    const { url } = await startGateway({ routes });
    await putRoute(url, 'mail', good);
    const { status } = await putRoute(url, 'mail', { ...good, generation: 6 }, { 'if-match': tags });
    expect(status).toBe(200);
  });

  test('lets one of two writers of the same generation win', async () => {
    const { url, relay } = await startGateway({ routes });
    const shares = [1_000, 2_000, 3_000, 4_000];
    const answers = await Promise.all(
      shares.map(share => putRoute(url, 'mail', { ...good, weights: { a: share, b: 10_000 - share } })),
    );
    expect(answers.map(answer => answer.status).sort()).toEqual([200, 412, 412, 412]);
    const won = answers.find(answer => answer.status === 200);
    expect(relay.state('mail').weights).toEqual(won?.body.data.weights);
  });

  test('answers 422 with every problem', async () => {
    const { url, relay } = await startGateway({ routes });
    const bad = { weights: { a: -1, z: 1.5 }, generation: -1, reason: ' ', updated_by: 7 };
    const { status, body } = await putRoute(url, 'mail', bad);
    expect(status).toBe(422);
    expect(body.error.code).toBe('invalid_change');
    const paths = ['weights.a', 'weights.z', 'weights.z', 'generation', 'reason', 'updated_by'];
    expect(body.error.problems.map(problem => problem.path)).toEqual(paths);
    expect(relay.state('mail')).toMatchObject(initial);
  });

  test.each([
    [{ a: 0, b: 0 }, 'all are zero'],
    [{}, 'all are zero'],
    [{ a: 9_999 }, 'sum to 9999'],
    [{ a: 10_000, b: 10_000 }, 'sum to 20000'],
    [{ a: '10000' }, 'must be a whole number'],
    [{ a: 10_000, toString: 0 }, 'no target of this route'],
    [null, 'must be an object'],
    [[10_000], 'must be an object'],
  ])('answers 422 to weights %o', async (weights, message) => {
    const { url } = await startGateway({ routes });
    const { status, body } = await putRoute(url, 'mail', { ...good, weights });
    expect(status).toBe(422);
    expect(body.error.problems).toHaveLength(1);
    expect(body.error.problems[0]?.message).toContain(message);
  });

  test('answers 422 to an Idempotency-Key that has applied another change', async () => {
    const { url } = await startGateway({ routes });
    const headers = { 'idempotency-key': 'k1' };
    await putRoute(url, 'mail', good, headers);
    const { status, body } = await putRoute(url, 'mail', { ...good, generation: 6 }, headers);
    expect({ status, code: body.error.code }).toEqual({ status: 422, code: 'idempotency_key_reused' });
  });

  test('answers 500 and keeps the old weights when the file cannot be written, and recovers', async () => {
    const folder = join(temporaryFolder(), 'state');
    const { url, relay, events } = await startGateway({ routes, stateFile: join(folder, 'routes.json') });
    rmSync(folder, { recursive: true });
    const failed = await putRoute(url, 'mail', good);
    expect(failed).toMatchObject({ status: 500, body: { error: { code: 'state_not_kept' }, data: initial } });
    expect(relay.state('mail')).toMatchObject(initial);
    expect(events).toMatchObject([{ kind: 'state not kept', level: 'error', route: 'mail' }]);
    mkdirSync(folder);
    expect((await putRoute(url, 'mail', good)).status).toBe(200);
  });

  test.each([
    ['no JSON', '{"weights"', 400, 'unreadable_request'],
    ['no body', '', 422, 'invalid_change'],
    ['too much', JSON.stringify({ ...good, reason: 'x'.repeat(70_000) }), 413, 'too_large'],
  ])('answers an error of its own to %s', async (_name, text, status, code) => {
    const { url } = await startGateway({ routes });
    const response = await ask(`${url}/api/v1/routes/mail`, { method: 'PUT', body: text });
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status,
      body: { error: { code } },
    });
  });

  test('answers 404 to an unknown route', async () => {
    const { url } = await startGateway({ routes });
    expect((await putRoute(url, 'males', good)).status).toBe(404);
  });
});

test('answers 405 to other methods', async () => {
  const { url } = await startGateway({ routes });
  const response = await ask(`${url}/api/v1/routes/mail`, { method: 'DELETE' });
  expect({ status: response.status, allow: response.headers.get('allow') }).toEqual({
    status: 405,
    allow: 'GET, HEAD, PUT',
  });
});

describe('who is let in', () => {
  test.each([
    ['no token', {}, 401],
    ['a wrong token', { authorization: 'Bearer wrong' }, 401],
    ['another scheme', { authorization: 'Basic c2VjcmV0' }, 401],
    ['the token', { authorization: 'Bearer secret' }, 200],
  ])('%s where a token is demanded', async (_name, headers, status) => {
    const { url } = await startGateway({ routes, token: 'secret' });
    const get = await ask(`${url}/api/v1/routes/mail`, { headers: headers as Record<string, string> });
    expect(get.status).toBe(status);
    expect(get.headers.has('www-authenticate')).toBe(status === 401);
    expect((await putRoute(url, 'mail', good, headers)).status).toBe(status);
  });

  test('a caller behind a proxy where no token is set', async () => {
    const { url } = await startGateway({ routes });
    const { status, body } = await putRoute(url, 'mail', good, { 'x-forwarded-for': '192.0.2.7' });
    expect({ status, code: body.error.code }).toEqual({ status: 403, code: 'loopback_only' });
  });
});
