import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  type ApiWorld,
  expectProblem,
  type Given,
  startApi,
} from '../../../test/support/api.ts';
import { type StartedDatabase, startEmbedded } from '../../../test/support/databases.ts';
import { keptGenerations, upTo } from '../../../test/support/records.ts';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import type { Database } from '../record/database.ts';

/* What a person does to routes, as the API takes it. The rules of the requests themselves are in app.test.ts. */

const policyWith = (mode: string) =>
  policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0, hard_down: { failures: 10, seconds: 10 } }
models: { spam-nb: {}, spam-lr: {}, chat-a: {} }
routes:
  mail-filter: { targets: [spam-nb, spam-lr], mode: ${mode} }
  chat: { targets: [chat-a], mode: ${mode} }
`);
const policies = { auto: policyWith('auto'), approve: policyWith('approve'), advise: policyWith('advise') };

let started: StartedDatabase;
beforeAll(async () => {
  started = await startEmbedded();
});
beforeEach(() => started.clear());
afterAll(() => started.stop());

const world = (mode: keyof typeof policies = 'auto', given: Partial<Given> = {}) =>
  startApi({ database: started.database, policy: policies[mode], ...given });

const base = '/api/v1/performance';
const mail = `${base}/routes/mail-filter`;
const signed = { reason: 'a trial', actor: 'ada' };
const inHours = ({ clock }: ApiWorld, hours: number) =>
  new Date(clock.now() + hours * 3_600_000).toISOString();
const routeIn = async (here: ApiWorld) => (await here.get(`${base}/model-status`)).body.routes![0]!;
const audit = async (here: ApiWorld) => (await here.get(`${base}/audit`)).body.entries!.toReversed();
const proposals = async (here: ApiWorld) => (await here.get(`${base}/proposals`)).body.proposals!;

/** A healthy start, then the primary fails until the verdict is due. */
async function failPrimary(here: ApiWorld): Promise<void> {
  await here.ticks(2);
  here.reader.behave({ 'spam-nb': 'failing' });
  await here.ticks(2);
}

describe('pin and unpin', () => {
  test('pins what serves, or another target; shown at once, and lifted again', async () => {
    const here = await world();
    await here.ticks(2);
    const expires_at = inHours(here, 2);
    expect(await here.post(`${mail}/pin`, { ...signed, expires_at })).toMatchObject({
      status: 200,
      body: { route: 'mail-filter', target: 'spam-nb', generation: 1, expires_at, outcome: 'applied' },
    });
    expect(await routeIn(here)).toMatchObject({
      pinned: { target: 'spam-nb', actor: 'ada', reason: 'a trial', expires_at },
      decision: { kind: 'hold', reason: 'pinned', otherwise: { kind: 'hold' } },
    });
    await here.post(`${mail}/pin`, { ...signed, target: 'spam-lr', expires_at });
    expect(await routeIn(here)).toMatchObject({ serving: 'spam-lr', pinned: { target: 'spam-lr' } });
    expect(await here.post(`${mail}/unpin`, { reason: 'enough', actor: 'bob' })).toMatchObject({
      status: 200,
      body: { route: 'mail-filter', generation: 2, weights: { 'spam-lr': 10_000 } },
    });
    expect(await routeIn(here)).toMatchObject({
      serving: 'spam-lr',
      generation: 2,
      phase: 'failed_over',
      pinned: null,
      decision: { reason: 'backing_off' },
    });
  });

  test('a pin that has run out is not shown, and not lifted', async () => {
    const here = await world();
    await here.ticks(1);
    await here.post(`${mail}/pin`, { ...signed, expires_at: inHours(here, 1) });
    here.clock.advance(3_600_000);
    expect(await routeIn(here)).toMatchObject({ pinned: null });
    expectProblem(
      await here.post(`${mail}/unpin`, signed),
      409,
      'not_pinned',
      'mail-filter is not',
      /status/,
    );
  });

  test('without an end is no pin', async () => {
    const here = await world();
    expectProblem(await here.post(`${mail}/pin`, signed), 422, 'invalid_request', /expires_at: /, /problems/);
  });
});

describe('freeze and unfreeze', () => {
  test('nothing moves by itself until it is lifted, and what would have been done is said', async () => {
    const here = await world();
    await here.ticks(2);
    const expires_at = inHours(here, 1);
    expect(await here.post(`${mail}/freeze`, { ...signed, expires_at })).toMatchObject({
      status: 200,
      body: { route: 'mail-filter', generation: 0, expires_at },
    });
    await failPrimary(here);
    expect(await routeIn(here)).toMatchObject({
      serving: 'spam-nb',
      frozen: { actor: 'ada', reason: 'a trial', expires_at },
      decision: { reason: 'frozen', otherwise: { kind: 'failover', to: 'spam-lr' } },
    });
    expect((await here.post(`${mail}/unfreeze`, signed)).status).toBe(200);
    expect(await routeIn(here)).toMatchObject({ frozen: null, decision: { kind: 'failover' } });
    await here.ticks(1);
    expect(await routeIn(here)).toMatchObject({ serving: 'spam-lr', generation: 1 });
    expectProblem(await here.post(`${mail}/unfreeze`, signed), 409, 'not_frozen', 'is not frozen', /nothing/);
  });

  test('a person still switches a frozen route, and it stays frozen', async () => {
    const here = await world();
    await here.ticks(1);
    await here.post(`${mail}/freeze`, { ...signed, expires_at: inHours(here, 1) });
    const move = { ...signed, route: 'mail-filter', target: 'spam-lr' };
    expect((await here.post(`${base}/switch-model`, move)).status).toBe(200);
    await here.ticks(1);
    expect(await routeIn(here)).toMatchObject({ serving: 'spam-lr', frozen: { actor: 'ada' } });
  });

  test('all at once: a route that is frozen for longer stays so, and every route is signed for', async () => {
    const here = await world();
    await here.ticks(1);
    await here.post(`${base}/routes/chat/freeze`, { ...signed, actor: 'bob', expires_at: inHours(here, 48) });
    const stop = await here.post(`${base}/freeze`, { ...signed, expires_at: inHours(here, 1) });
    expect(stop).toMatchObject({
      status: 200,
      body: { routes: ['mail-filter'], frozen_for_longer: ['chat'], not_taken_over: [] },
    });
    expect((await here.get(`${base}/model-status`)).body.routes).toMatchObject([
      { frozen: { actor: 'ada' } },
      { frozen: { actor: 'bob' } },
    ]);
    const lifted = await here.post(`${base}/unfreeze`, signed);
    expect(lifted.body).toEqual({ routes: ['chat', 'mail-filter'] });
    expect((await here.post(`${base}/unfreeze`, signed)).body).toEqual({ routes: [] });
    expect((await audit(here)).map(({ action, route }) => [action, route])).toEqual([
      ['freeze', 'chat'],
      ['freeze', 'mail-filter'],
      ['unfreeze', 'chat'],
      ['unfreeze', 'mail-filter'],
    ]);
  });

  test('before any gateway has answered there is nothing to freeze, and that is said', async () => {
    const here = await world();
    const stop = await here.post(`${base}/freeze`, { ...signed, expires_at: inHours(here, 1) });
    expect(stop.body).toMatchObject({ routes: [], not_taken_over: ['mail-filter', 'chat'] });
  });
});

describe('every hand', () => {
  const hands = (here: ApiWorld) =>
    [
      ['pin', { expires_at: inHours(here, 1) }],
      ['unpin', {}],
      ['freeze', { expires_at: inHours(here, 1) }],
      ['unfreeze', {}],
    ] as const;

  test('on another generation is refused, and told the right one', async () => {
    const here = await world();
    await here.ticks(1);
    for (const [hand, given] of hands(here)) {
      const answer = await here.post(`${mail}/${hand}`, { ...signed, ...given, expected_generation: 7 });
      expectProblem(answer, 409, 'generation_conflict', 'at generation 0, not 7', /model-status/);
    }
    expect(await audit(here)).toEqual([]);
  });

  test('on an unknown route, without a reason, or with an end in the past is refused', async () => {
    const here = await world();
    await here.ticks(1);
    for (const [hand, given] of hands(here)) {
      const elsewhere = await here.post(`${base}/routes/males/${hand}`, { ...signed, ...given });
      expectProblem(elsewhere, 404, 'unknown_route', /no route "males"/, /mail-filter, chat/);
      const mute = await here.post(`${mail}/${hand}`, { actor: 'ada', ...given });
      expectProblem(mute, 422, 'invalid_request', /reason: /, /problems/);
    }
    for (const hand of ['pin', 'freeze']) {
      const late = await here.post(`${mail}/${hand}`, { ...signed, expires_at: '2020-01-01T00:00:00Z' });
      expectProblem(late, 422, 'expired', /in the past/, /later time/);
    }
  });

  test('once a key: the same answer, one effect, one entry; and no other request with it', async () => {
    const here = await world();
    await here.ticks(1);
    for (const [hand, given] of hands(here)) {
      const key = { 'idempotency-key': `key of ${hand}` };
      const first = await here.post(`${mail}/${hand}`, { ...signed, ...given }, key);
      expect(first.status).toBe(200);
      expect(await here.post(`${mail}/${hand}`, { ...signed, ...given }, key)).toEqual(first);
      const other = await here.post(`${mail}/${hand}`, { ...signed, ...given, reason: 'another' }, key);
      expectProblem(other, 422, 'idempotency_key_reused', /another request/, /new key/);
      const elsewhere = await here.post(`${base}/routes/chat/${hand}`, { ...signed, ...given }, key);
      expectProblem(elsewhere, 422, 'idempotency_key_reused', /another request/, /new key/);
    }
    expect((await audit(here)).map(({ action, idempotency_key }) => [action, idempotency_key])).toEqual(
      ['pin', 'unpin', 'freeze', 'unfreeze'].map(hand => [hand, `key of ${hand}`]),
    );
  });

  test('that somebody else was quicker with is refused, and leaves no entry', async () => {
    const here = await world('auto', { database: overtakenBy(started.database) });
    await here.ticks(1);
    const later = inHours(here, 1);
    for (const [hand, given] of [
      ['freeze', { expires_at: later }] as const,
      ['pin', { expires_at: later }] as const,
    ])
      expectProblem(
        await here.post(`${mail}/${hand}`, { ...signed, ...given }),
        409,
        'generation_conflict',
        'meanwhile',
        /send it again/,
      );
    expect(await audit(here)).toEqual([]);
  });
});

describe('proposals', () => {
  const answer = (here: ApiWorld, id: number, what: 'approve' | 'reject', body: object = signed) =>
    here.post(`${base}/proposals/${id}/${what}`, body);

  test('one is made, shown, exported, and approved: exactly that change, signed by who approved', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const [proposal] = await proposals(here);
    expect(proposal).toMatchObject({
      route: 'mail-filter',
      generation: 0,
      mode: 'approve',
      kind: 'failover',
      from: 'spam-nb',
      to: 'spam-lr',
      status: 'open',
      expires_at: new Date(here.clock.now() + 30 * 60_000).toISOString(),
      decision: { evidence: { signal: 'success' }, generation: { before: 0, after: 1 } },
    });
    expect(await routeIn(here)).toMatchObject({ serving: 'spam-nb', proposal: { id: proposal!.id } });
    const series =
      'relaycore_route_proposal{route="mail-filter",mode="approve",kind="failover",from="spam-nb",to="spam-lr"} 1';
    const page = async () => (await here.ask('/metrics')).text();
    expect(await page()).toContain(`\n${series}\n`);

    expect(await answer(here, proposal!.id, 'approve', { actor: 'ada' })).toMatchObject({
      status: 200,
      body: { proposal: proposal!.id, kind: 'failover', to: 'spam-lr', generation: 1, outcome: 'applied' },
    });
    expect(await page()).toContain(`\n${series.replace(/1$/, '0')}\n`);
    expect(await routeIn(here)).toMatchObject({ serving: 'spam-lr', phase: 'failed_over', proposal: null });
    expect((await here.get(`${base}/switch-history`)).body.events).toMatchObject([
      {
        kind: 'failover',
        actor: 'ada',
        outcome: 'applied',
        decision: { reason: 'degraded', approved: { proposal: proposal!.id, actor: 'ada' } },
      },
    ]);
    expect(await proposals(here)).toMatchObject([{ status: 'approved', actor: 'ada', comment: 'approved' }]);
    expect(await audit(here)).toMatchObject([
      { action: 'approve', generation_before: 0, generation_after: 1, detail: { proposal: proposal!.id } },
    ]);
  });

  test('a no is kept with its reason, and the same is not proposed again for the time of the policy', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const [{ id }] = (await proposals(here)) as [{ id: number }];
    expectProblem(await answer(here, id, 'reject', {}), 422, 'invalid_request', /reason: /, /problems/);
    const until = inHours(here, 1);
    expect((await answer(here, id, 'reject')).body).toMatchObject({
      proposal: id,
      not_proposed_before: until,
    });
    await here.ticks(10);
    expect(await proposals(here)).toMatchObject([{ status: 'rejected', actor: 'ada', comment: 'a trial' }]);
    here.clock.advance(3_600_000);
    await here.ticks(3);
    expect(await proposals(here)).toMatchObject([{ status: 'open' }, { status: 'rejected' }]);
  });

  test('an answer to one that is closed is refused, and told by whom', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const [{ id }] = (await proposals(here)) as [{ id: number }];
    await answer(here, id, 'reject');
    for (const what of ['approve', 'reject'] as const)
      expectProblem(await answer(here, id, what), 409, 'not_open', 'rejected by ada', /list of proposals/);
    expectProblem(await answer(here, 4711, 'approve'), 404, 'unknown_proposal', '4711', /list/);
    expectProblem(
      await here.post(`${base}/proposals/x/approve`, signed),
      422,
      'invalid_request',
      /id: /,
      /pro/,
    );
  });

  test('one that ran out a moment ago is closed, also before the next round says so', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const [{ id }] = (await proposals(here)) as [{ id: number }];
    here.clock.advance(30 * 60_000);
    expectProblem(await answer(here, id, 'approve'), 409, 'not_open', /expired/, /list of proposals/);
  });

  test.each<[string, (here: ApiWorld) => Promise<unknown>, RegExp]>([
    [
      'the route was frozen a moment ago',
      here => here.post(`${mail}/freeze`, { ...signed, expires_at: inHours(here, 1) }),
      /^failover to spam-lr is not what would be decided now: hold: frozen by ada/,
    ],
    [
      'nothing can be read',
      here => {
        here.reader.fail('Prometheus did not answer');
        return here.ticks(1);
      },
      /not what would be decided now: Prometheus did not answer/,
    ],
  ])('a yes is refused when %s', async (_, change, detail) => {
    const here = await world('approve');
    await failPrimary(here);
    const [{ id }] = (await proposals(here)) as [{ id: number }];
    await change(here);
    expectProblem(await answer(here, id, 'approve'), 409, 'not_decided_now', detail, /explain/);
    expect(await keptGenerations(started.database)).toEqual({ events: [], state: 0 });
  });

  test('a yes to another generation is refused', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const [{ id }] = (await proposals(here)) as [{ id: number }];
    const late = await answer(here, id, 'approve', { actor: 'ada', expected_generation: 3 });
    expectProblem(late, 409, 'generation_conflict', 'at generation 0, not 3', /model-status/);
  });

  test('a person who switches supersedes it, at once', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const move = { ...signed, route: 'mail-filter', target: 'spam-lr' };
    await here.post(`${base}/switch-model`, move);
    expect(await proposals(here)).toMatchObject([{ status: 'superseded' }]);
    expect(await routeIn(here)).toMatchObject({ proposal: null });
  });

  test('advice cannot be approved, but dismissed', async () => {
    const here = await world('advise');
    await failPrimary(here);
    const [{ id, expires_at }] = (await proposals(here)) as [{ id: number; expires_at: unknown }];
    expect(expires_at).toBeNull();
    expectProblem(await answer(here, id, 'approve'), 409, 'not_to_approve', 'in mode advise', /switch-model/);
    expect((await answer(here, id, 'reject')).status).toBe(200);
  });

  test('a yes in mode approve that another controller was quicker with moves nothing', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const [{ id }] = (await proposals(here)) as [{ id: number }];
    const late = await startApi({
      database: overtakenBy(started.database),
      policy: policies.approve,
      clock: here.clock,
    });
    late.reader.behave({ 'spam-nb': 'failing' });
    await late.ticks(4);
    expectProblem(await answer(late, id, 'approve'), 409, 'generation_conflict', 'meanwhile', /again/);
    expect((await audit(here)).length).toBe(0);
  });

  test('are filtered, and come in pages', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const count = async (query: string) =>
      (await here.get(`${base}/proposals?${query}`)).body.proposals!.length;
    expect(await count('route=mail-filter&status=open&limit=1')).toBe(1);
    expect(await count('route=chat')).toBe(0);
    expect(await count('status=rejected')).toBe(0);
    const wrong = await here.get(`${base}/proposals?status=perhaps`);
    expectProblem(wrong, 422, 'invalid_request', /status: /, /problems/);
  });
});

describe('the audit', () => {
  test('says who did what, why, and through what; its chain is verified', async () => {
    const here = await world();
    await here.ticks(1);
    const move = { ...signed, route: 'mail-filter', target: 'spam-lr' };
    await here.post(`${base}/switch-model`, move, { 'idempotency-key': 'k1', 'user-agent': 'relayctl/1' });
    await here.post(`${mail}/freeze`, { reason: 'because', expires_at: inHours(here, 1) });
    expect(await audit(here)).toMatchObject([
      {
        actor: 'ada',
        action: 'switch',
        route: 'mail-filter',
        reason: 'a trial',
        generation_before: 0,
        generation_after: 1,
        idempotency_key: 'k1',
        source: 'relayctl',
        detail: { from: 'spam-nb', target: 'spam-lr', force: false },
      },
      { actor: 'api', action: 'freeze', generation_before: 1, generation_after: 1, source: 'api' },
    ]);
    const verified = (await here.get(`${base}/audit/verify`)).body;
    expect(verified).toMatchObject({ intact: true, entries: 2, broken: null });
    await started.database.transaction(({ script }) =>
      script(`SET LOCAL session_replication_role = replica; UPDATE relaycore.audit_log SET actor = 'eve'`),
    );
    expect((await here.get(`${base}/audit/verify`)).body).toMatchObject({
      intact: false,
      broken: { id: (await audit(here))[0]!.id },
    });
  });

  test('is filtered, and comes in pages', async () => {
    const here = await world();
    await here.ticks(1);
    for (const index of upTo(5))
      await here.post(`${base}/switch-model`, {
        ...signed,
        route: 'mail-filter',
        target: 'spam-lr',
        actor: `a${index}`,
      });
    const actors = async (query: string) =>
      (await here.get(`${base}/audit?${query}`)).body.entries!.map(({ actor }) => actor);
    expect(await actors('actor=a3&action=switch&route=mail-filter')).toEqual(['a3']);
    expect(await actors('action=freeze')).toEqual([]);
    const first = await here.get(`${base}/audit?limit=3`);
    expect(await actors(`limit=3&before=${first.body.next_before}`)).toEqual(['a2', 'a1']);
    expectProblem(
      await here.get(`${base}/audit?action=drop`),
      422,
      'invalid_request',
      /action: /,
      /problems/,
    );
  });
});

describe('explain', () => {
  const explain = (here: ApiWorld, at?: string) => here.get(`${mail}/explain${at ? `?at=${at}` : ''}`);
  const words = async (answer: Promise<Answer>) => `${(await answer).body.words}`.split('\n');
  const iso = ({ clock }: ApiWorld) => new Date(clock.now()).toISOString();

  test('any time is answered: before the failover, when it was made, after it, and now', async () => {
    const here = await world();
    await here.ticks(2);
    const healthyAt = iso(here);
    here.reader.behave({ 'spam-nb': 'failing' });
    await here.ticks(2);
    const failoverAt = iso(here);
    await here.ticks(6);
    const laterAt = iso(here);

    expect((await explain(here, healthyAt)).body).toMatchObject({
      at: healthyAt,
      serving: 'spam-nb',
      generation: 0,
      decision: { kind: 'hold', reason: 'healthy' },
      change: null,
    });
    expect((await words(explain(here, healthyAt)))[0]).toBe('mail-filter, generation 0: spam-nb');

    expect((await explain(here, failoverAt)).body).toMatchObject({
      serving: 'spam-lr',
      generation: 1,
      decision: { kind: 'failover', evidence: { signal: 'success' } },
      change: {
        kind: 'failover',
        decision: { readings: { 'spam-nb': {} }, alternatives: [{ chosen: true }] },
      },
    });
    expect(await words(explain(here, failoverAt))).toEqual([
      'mail-filter, generation 1: spam-lr 100 %',
      expect.stringMatching(`^decided at ${failoverAt}: failover to spam-lr: spam-nb: success rate`),
      expect.stringMatching(
        `^generation 1 since ${failoverAt}: failover spam-nb → spam-lr by controller \\(the gateway held`,
      ),
    ]);

    expect((await explain(here, laterAt)).body).toMatchObject({
      decision: { reason: 'backing_off' },
      decided: { until: laterAt },
      change: { generation: 1 },
    });
    expect((await explain(here)).body).toMatchObject({ at: laterAt, generation: 1 });
    expect(await words(explain(here))).toEqual([
      'mail-filter, generation 1: spam-lr 100 %',
      expect.stringMatching(/^decided from .* to .*: hold: spam-lr serves; spam-nb is tried again in \d+ s$/),
      expect.stringMatching(/^generation 1 since /),
      'traffic: cannot be told: a dry run sends nobody anywhere',
    ]);
  });

  test('the same after the controller was started anew', async () => {
    const here = await world();
    await failPrimary(here);
    const at = iso(here);
    await here.ticks(8);
    const later = await startApi({ database: started.database, policy: policies.auto, clock: here.clock });
    expect(await words(explain(later, at))).toEqual(await words(explain(here, at)));
  });

  test('a hand and a proposal are part of it', async () => {
    const here = await world('approve');
    await failPrimary(here);
    const at = iso(here);
    await here.ticks(1);
    expect((await explain(here, at)).body).toMatchObject({
      generation: 0,
      decision: { kind: 'failover' },
      proposal: { status: 'open' },
    });
    expect(await words(explain(here))).toContainEqual(
      expect.stringMatching(/^proposal \d+ \(mode approve\): failover to spam-lr, open since .*, until /),
    );
    await here.post(`${mail}/freeze`, { ...signed, expires_at: inHours(here, 1) });
    here.reader.behave({ 'spam-nb': 'good' });
    await here.ticks(10);
    expect((await explain(here)).body).toMatchObject({
      decision: { reason: 'frozen', otherwise: { kind: 'hold' } },
      decided: { at_first: { otherwise: { kind: 'failover' } } },
    });
    expect(await words(explain(here))).toContainEqual(
      expect.stringMatching(/^at first: frozen by ada .*; otherwise failover to spam-lr: /),
    );
    expect((await explain(here, at)).body).toMatchObject({ decision: { kind: 'failover' } });
  });

  test('what is wrong just now is said', async () => {
    const here = await world();
    await here.ticks(1);
    here.reader.fail('Prometheus did not answer');
    await here.ticks(1);
    expect(await words(explain(here))).toContain('problem: Prometheus did not answer');
  });

  test('a time of which nothing is known is refused, with one that is', async () => {
    const here = await world();
    expectProblem(await explain(here), 404, 'nothing_decided', /no decision about mail-filter/, /later time/);
    await here.ticks(2);
    const last = iso(here);
    expectProblem(await explain(here, '2020-01-01T00:00:00Z'), 404, 'nothing_decided', /or before/, /later/);
    expectProblem(
      await explain(here, '2099-01-01T00:00:00Z'),
      422,
      'in_the_future',
      /yet to come/,
      /earlier/,
    );
    here.clock.advance(600_000);
    expectProblem(
      await explain(here),
      404,
      'nothing_decided',
      new RegExp(`is from ${last}`),
      new RegExp(last),
    );
    expectProblem(await explain(here, 'yesterday'), 422, 'invalid_request', /at: /, /problems/);
    const elsewhere = await here.get(`${base}/routes/males/explain`);
    expectProblem(elsewhere, 404, 'unknown_route', /no route "males"/, /mail-filter, chat/);
  });
});

/** In every transaction another controller has committed a moment before. */
function overtakenBy(database: Database): Database {
  return {
    ...database,
    async transaction(work) {
      await database.query('UPDATE relaycore.route_states SET generation = generation + 1');
      return database.transaction(work);
    },
  };
}
