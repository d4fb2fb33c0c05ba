import type { RequestListener, ServerResponse } from 'node:http';
import { loadPolicy, type Policy } from '@relaycore/rules';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ask, startServer, until } from '../../controller/relay/fixture.ts';
import { createApi } from '../../controller/src/api/app.ts';
import { dryRunDriver } from '../../controller/src/apply/dry-run.ts';
import { createLoop } from '../../controller/src/loop.ts';
import { startProber } from '../../controller/src/read/probes.ts';
import { listSwitchEvents } from '../../controller/src/record/switch-events.ts';
import { createTelemetry } from '../../controller/src/telemetry.ts';
import { type StartedDatabase, startEmbedded } from '../support/databases.ts';
import { manualClock } from '../support/manual-clock.ts';
import { scriptedReader } from '../support/scripted-reader.ts';

/*
 * The controller's own probes and loop, with model servers that really answer. A probe that passed a moment ago is no
 * promise: a target is looked at once more right before a route moves to it.
 */

const secret = 'sk-very-secret-indeed';

/** The scheduled look is the first one: the next would come in an hour. */
const policyOf = (models: string, routes: string, freshSeconds = 5): Policy => {
  const loaded = loadPolicy(
    `
detection: { tick_seconds: 5, ingestion_lag_seconds: 0, hard_down: { failures: 10, seconds: 10 } }
probes: { interval_seconds: 3600, timeout_seconds: 20, fresh_seconds: ${freshSeconds} }
models: { spam-v1: {}, ${models} }
routes: { ${routes} }
`,
    { MODEL_KEY: secret },
  );
  if (loaded.kind === 'ok') return loaded.policy;
  throw new Error(JSON.stringify(loaded.problems));
};

const golden = (id: string, url: string, probing = '{}') =>
  `${id}: { endpoint: '${url}', probing: ${probing}, probes: [{ name: a known spam, method: POST, path: /classify,
     headers: { authorization: 'Bearer \${MODEL_KEY}' }, body: { text: buy now },
     expect: { json: { pointer: /label, equals: spam } } }] }`;

let started: StartedDatabase;
beforeAll(async () => {
  started = await startEmbedded();
});
beforeEach(() => started.clear());
afterAll(() => started.stop());

async function world(policy: Policy) {
  const { database } = started;
  const [clock, reader, logged] = [manualClock(), scriptedReader(), [] as string[]];
  const telemetry = createTelemetry(() => loop.status());
  const prober = startProber(() => policy, clock.now, telemetry.looked);
  const log = pino({ level: 'trace' }, { write: line => void logged.push(line) });
  const drivers = new Map(Object.keys(policy.routes).map(name => [name, dryRunDriver()]));
  const parts = { policy, prober, database, clock, telemetry, log };
  const loop = createLoop({ ...parts, reader, drivers });
  const api = await startServer(createApi({ ...parts, loop }));
  onTestFinished(async () => {
    await prober.stop();
    await telemetry.close();
  });
  const probed = Object.values(policy.models).filter(({ endpoint }) => endpoint !== undefined);
  await until(() => probed.every(({ id }) => prober.results().has(id)), 30_000);
  const ticks = async (count: number) => {
    for (let tick = 0; tick < count; tick++) {
      clock.advance(5_000);
      await loop.tick();
    }
  };
  return {
    ...{ loop, prober, logged, ticks, database },
    page: async (path: string) => (await ask(`${api}${path}`)).text(),
    decision: (route: string) => loop.status().routes.get(route)!.decision,
    /** A healthy start, then the primary of all routes fails until the verdict is due. */
    async failPrimary() {
      await ticks(2);
      reader.behave({ 'spam-v1': 'failing', 'spam-v2': 'silent', 'spam-v3': 'silent' });
      await ticks(2);
    },
  };
}

/** A model server whose answers the test changes while it runs. */
async function startModel(first: RequestListener = labelling('spam')) {
  let answer = first;
  const model = {
    url: '',
    requests: 0,
    now(next: RequestListener) {
      answer = next;
    },
  };
  model.url = await startServer((request, response) => {
    model.requests += 1;
    answer(request, response);
  });
  return model;
}

const labelling =
  (label: string): RequestListener =>
  (_, response) =>
    void response.end(JSON.stringify({ label }));

describe('the primary fails, and a backup whose last probe had passed', () => {
  test('has gone bad since: the look right before the switch finds it, and the next best takes over', async () => {
    const [second, third] = [await startModel(), await startModel()];
    const models = [golden('spam-v2', second.url), golden('spam-v3', third.url)].join(', ');
    const here = await world(policyOf(models, 'mail: { targets: [spam-v1, spam-v2, spam-v3] }'));
    expect(here.prober.results().get('spam-v2')).toMatchObject({ kind: 'passed' });
    second.now(labelling('ham'));
    await here.failPrimary();
    expect(here.decision('mail')).toMatchObject({ kind: 'hold', reason: 'looking_first' });
    expect(here.decision('mail').words).toMatch(
      /^spam-v2 was last looked at 20 s ago and is looked at again first; if it passes, failover to spam-v2: spam-v1: success rate/,
    );
    await until(() => here.decision('mail').kind === 'failover');
    expect(here.decision('mail')).toMatchObject({
      to: 'spam-v3',
      alternatives: [
        {
          model: 'spam-v2',
          vetted: false,
          why: 'its probe failed once: a known spam: /label is "ham" instead of "spam"',
        },
        { model: 'spam-v3', chosen: true },
      ],
    });
    expect([second.requests, third.requests]).toEqual([2, 2]);
    const events = await listSwitchEvents(here.database, { limit: 10 });
    expect(events.map(({ from, to, outcome }) => [from, to, outcome])).toEqual([
      ['spam-v1', 'spam-v3', 'applied'],
    ]);
  });

  test('is still good: it takes over without waiting for the next round', async () => {
    const second = await startModel();
    const here = await world(
      policyOf(golden('spam-v2', second.url), 'mail: { targets: [spam-v1, spam-v2] }'),
    );
    await here.failPrimary();
    await until(() => here.decision('mail').kind === 'failover');
    expect(here.decision('mail').words).toMatch(
      /spam-v2 takes over \(healthy, its probe passed in \d+ ms\)$/,
    );
    expect(second.requests).toBe(2);
  });

  test('hangs: only its own route waits, with one request, and goes on once that has failed', async () => {
    const [second, third] = [await startModel(), await startModel()];
    const models = [golden('spam-v2', second.url), golden('spam-v3', third.url)].join(', ');
    const routes = 'mail: { targets: [spam-v1, spam-v2, spam-v3] }, chat: { targets: [spam-v1, spam-v3] }';
    const here = await world(policyOf(models, routes));
    const held: ServerResponse[] = [];
    second.now((_, response) => void held.push(response));
    await here.failPrimary();
    await until(() => here.decision('chat').kind === 'failover');
    await here.ticks(3);
    expect(here.decision('mail')).toMatchObject({ reason: 'looking_first' });
    expect(here.loop.status().routes.get('chat')!.state.generation).toBe(1);
    expect(held.length).toBe(1);
    held[0]!.destroy();
    await until(() => here.decision('mail').kind === 'failover');
    expect(here.decision('mail')).toMatchObject({ to: 'spam-v3' });
  });

  test('never answers: the failover is delayed by no more than the deadline of its request', async () => {
    const [second, third] = [await startModel(), await startModel()];
    const models = [
      golden('spam-v2', second.url, '{ timeout_seconds: 1 }'),
      golden('spam-v3', third.url),
    ].join(', ');
    const here = await world(policyOf(models, 'mail: { targets: [spam-v1, spam-v2, spam-v3] }'));
    second.now(() => undefined);
    await here.failPrimary();
    const begun = performance.now();
    await until(() => here.decision('mail').kind === 'failover', 20_000);
    expect(here.decision('mail')).toMatchObject({ to: 'spam-v3' });
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  test('was looked at lately enough for the policy: it takes over at once', async () => {
    const second = await startModel();
    const models = golden('spam-v2', second.url);
    const here = await world(policyOf(models, 'mail: { targets: [spam-v1, spam-v2] }', 60));
    await here.failPrimary();
    expect(here.decision('mail')).toMatchObject({ kind: 'failover', to: 'spam-v2' });
    expect(second.requests).toBe(1);
  });
});

test('by hand, a target that has just gone bad is found and refused', async () => {
  const second = await startModel();
  const here = await world(policyOf(golden('spam-v2', second.url), 'mail: { targets: [spam-v1, spam-v2] }'));
  await here.ticks(2);
  second.now((_, response) => void response.writeHead(503).end());
  await here.loop.lookFirst('spam-v2');
  expect(here.prober.results().get('spam-v2')).toMatchObject({ kind: 'failed', failures: 1 });
});

test('the secret of a golden request is on no page, in no history and no log, whatever the model does with it', async () => {
  const echoing: RequestListener = (request, response) =>
    void response.end(JSON.stringify({ label: request.headers.authorization }));
  const [second, third] = [await startModel(), await startModel()];
  const models = [golden('spam-v2', second.url), golden('spam-v3', third.url)].join(', ');
  const here = await world(policyOf(models, 'mail: { targets: [spam-v1, spam-v2, spam-v3] }'));
  second.now(echoing);
  await here.failPrimary();
  await until(() => here.decision('mail').kind === 'failover');
  const api = '/api/v1/performance';
  const pages = [
    await here.page(`${api}/model-status`),
    await here.page(`${api}/switch-history`),
    await here.page(`${api}/routes/mail/explain`),
    await here.page('/metrics'),
    here.logged.join('\n'),
  ];
  expect(pages[0]).toContain('[secret]');
  expect(pages[1]).toContain('[secret]');
  expect(pages[3]).toMatch(
    /relaycore_probe_requests_total\{model="spam-v2",version="",outcome="unexpected"\} 1/,
  );
  expect(pages[3]).toMatch(/relaycore_probe_passed\{model="spam-v2",version=""\} 0/);
  expect(pages[3]).toMatch(/relaycore_probe_duration_seconds_count\{outcome="passed"\} \d/);
  expect(pages.join('\n')).not.toContain(secret);
});
