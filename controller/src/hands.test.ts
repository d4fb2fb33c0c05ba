import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type ApiWorld, startApi } from '../../test/support/api.ts';
import { type StartedDatabase, startEmbedded, temporaryFolder } from '../../test/support/databases.ts';
import { upTo } from '../../test/support/records.ts';
import { policyOf } from '../../test/support/scripted-reader.ts';
import { openDatabase } from './record/database.ts';
import { listProposals } from './record/proposals.ts';

/* Rounds under people's hands: what outlives a restart, and what is too much at once. */

const base = '/api/v1/performance';
const signed = { reason: 'a trial', actor: 'ada' };
const inHours = ({ clock }: ApiWorld, hours: number) =>
  new Date(clock.now() + hours * 3_600_000).toISOString();
const routes = async (here: ApiWorld) => (await here.get(`${base}/model-status`)).body.routes!;

test('a pin, a freeze and an open proposal outlive the controller and its database', async () => {
  const folder = await temporaryFolder();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const policy = policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0 }
models: { spam-nb: {}, spam-lr: {} }
routes:
  pinned: { targets: [spam-nb, spam-lr] }
  frozen: { targets: [spam-nb, spam-lr] }
  asking: { targets: [spam-nb, spam-lr], mode: approve }
`);
  const database = await openDatabase({ kind: 'embedded', folder });
  const before = await startApi({ database, policy });
  await before.ticks(2);
  const expires_at = inHours(before, 1);
  await before.post(`${base}/routes/pinned/pin`, { ...signed, expires_at });
  await before.post(`${base}/routes/frozen/freeze`, { ...signed, actor: 'bob', expires_at });
  before.reader.behave({ 'spam-nb': 'failing' });
  await before.ticks(2);
  const shown = await routes(before);
  expect(shown).toMatchObject([
    { pinned: { actor: 'ada', expires_at }, decision: { reason: 'pinned' } },
    { frozen: { actor: 'bob', expires_at }, decision: { reason: 'frozen' } },
    { proposal: { status: 'open' }, decision: { kind: 'failover' } },
  ]);
  const stopped = new AbortController();
  stopped.abort();
  await before.loop.run(stopped.signal);
  await database.close();

  const reopened = await openDatabase({ kind: 'embedded', folder });
  onTestFinished(() => reopened.close());
  const after = await startApi({ database: reopened, policy, clock: before.clock });
  after.reader.behave({ 'spam-nb': 'failing' });
  await after.ticks(1);
  expect(await routes(after)).toMatchObject(
    shown.map(({ pinned, frozen, proposal, decided_since }) => ({ pinned, frozen, proposal, decided_since })),
  );
  expect(await listProposals(reopened, { limit: 9 })).toHaveLength(1);
  const { id } = shown[2]!.proposal as { id: number };
  expect((await after.post(`${base}/proposals/${id}/approve`, signed)).status).toBe(200);
  after.clock.advance(3_600_000);
  await after.ticks(4);
  expect(await routes(after)).toMatchObject(shown.map(() => ({ serving: 'spam-lr' })));
  expect((await after.get(`${base}/audit/verify`)).body).toMatchObject({ intact: true, entries: 3 });
});

describe('too much at once', () => {
  let started: StartedDatabase;
  beforeAll(async () => {
    started = await startEmbedded();
  });
  beforeEach(() => started.clear());
  afterAll(() => started.stop());

  /** Every primary has two routes. */
  const policyWith = (switching: string, mode = 'auto') =>
    policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 0 }
incidents: { hold_switches: false }
switching: ${switching}
models: { backup: {}, ${upTo(6)
      .map(i => `m${i}: {}`)
      .join(', ')} }
routes:
${upTo(6)
  .flatMap(i => ['a', 'b'].map(name => `  m${i}-${name}: { targets: [m${i}, backup], mode: ${mode} }`))
  .join('\n')}
`);
  const served = async (here: ApiWorld) =>
    (await routes(here)).filter(({ serving }) => serving === 'backup').map(({ route }) => route);
  const failing = async (policy: ReturnType<typeof policyWith>, models: readonly number[]) => {
    const here = await startApi({ database: started.database, policy });
    await here.ticks(2);
    here.reader.behave(Object.fromEntries(models.map(i => [`m${i}`, 'failing' as const])));
    await here.ticks(2);
    return here;
  };

  test('so many models are left, with all their routes; the others wait until it is long enough ago', async () => {
    const here = await failing(policyWith('{ max_simultaneous: 2 }'), [1, 2, 3, 4, 5]);
    expect(await served(here)).toEqual(['m1-a', 'm1-b', 'm2-a', 'm2-b']);
    const [waiting] = (await routes(here)).filter(({ route }) => route === 'm3-a');
    expect(waiting!.decision).toMatchObject({
      kind: 'hold',
      reason: 'too_many_switches',
      words: expect.stringContaining(
        'it keeps serving for now, because 2 other models were left within 60 s; else backup takes over',
      ),
    });
    await here.ticks(11);
    expect(await served(here)).toHaveLength(4);
    await here.ticks(1);
    expect(await served(here)).toHaveLength(8);
    await here.ticks(12);
    expect(await served(here)).toHaveLength(10);
  });

  test('a controller that starts meanwhile knows what was left before', async () => {
    const policy = policyWith('{ max_simultaneous: 2 }');
    const before = await failing(policy, [1, 2, 3]);
    const after = await startApi({ database: started.database, policy, clock: before.clock });
    after.reader.behave({ m1: 'failing', m2: 'failing', m3: 'failing' });
    await after.ticks(5);
    expect(await served(after)).toHaveLength(4);
  });

  test('in a large fleet a share of it counts', async () => {
    const here = await failing(policyWith('{ max_simultaneous: 1, max_percent: 60 }'), [1, 2, 3, 4, 5, 6]);
    expect(await served(here)).toHaveLength(8);
  });

  test('a person is not limited: everything is proposed', async () => {
    await failing(policyWith('{ max_simultaneous: 2 }', 'approve'), [1, 2, 3, 4, 5, 6]);
    expect(await listProposals(started.database, { status: 'open', limit: 99 })).toHaveLength(12);
  });
});
