import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Demo, root, startDemo } from '../support/demo.ts';

/* Everything that a person does to a route, from a terminal, on the demo's real servers while a model gets worse. */

let demo: Demo;
beforeAll(async () => {
  demo = await startDemo({ seed: 3, mode: 'approve' });
}, 120_000);
afterAll(() => demo?.stop(), 60_000);

/** What it prints, without its line breaks. */
async function relayctl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=source', 'controller/src/main.ts', ...args],
    { cwd: root, env: { ...process.env, RELAYCORE_URL: demo.stack.controller().url } },
  );
  return stdout.replace(/\s+/g, ' ');
}

const weights = async () => {
  const answer = await fetch(`${demo.stack.gateway.url}/api/v1/routes/mail-filter`);
  return ((await answer.json()) as { data: { weights: Record<string, number> } }).data.weights;
};

test('status, explain, pin, unpin, freeze, approve, history, audit', async () => {
  await demo.watch.until(
    ({ models }) => models.some(model => model.model_id === 'spam-v1' && model.verdict === 'healthy'),
    { ms: 60_000, what: 'a healthy verdict' },
  );
  expect(await relayctl('status')).toMatch(/mail-filter.*spam-v1/);
  expect(await relayctl('explain', 'mail-filter')).toMatch(/spam-v1 is healthy: success rate/);

  await relayctl('pin', 'mail-filter', 'spam-v2', '--for', '10m', '--reason', 'a look at the new one');
  expect(await weights()).toEqual({ 'spam-v1': 0, 'spam-v2': 10_000 });
  expect(await relayctl('explain', 'mail-filter')).toMatch(
    /pinned to spam-v2 by \S+ until .*a look at the new one/,
  );
  await relayctl('unpin', 'mail-filter', '--reason', 'seen enough');
  await relayctl('switch', 'mail-filter', 'spam-v1', '--reason', 'back');
  expect(await weights()).toEqual({ 'spam-v1': 10_000, 'spam-v2': 0 });

  await relayctl('freeze', 'mail-filter', '--for', '5m', '--reason', 'a release');
  demo.client.population('shifted');
  await demo.watch.until(({ routes }) => / otherwise failover to spam-v2/.test(routes[0]!.decision.words), {
    ms: 120_000,
    what: 'a decision that the freeze holds back',
  });
  expect(await weights(), 'frozen').toEqual({ 'spam-v1': 10_000, 'spam-v2': 0 });
  await relayctl('unfreeze', 'mail-filter', '--reason', 'the release is out');

  const { routes } = await demo.watch.until(({ routes }) => routes[0]!.proposal !== null, {
    ms: 120_000,
    what: 'a proposal',
  });
  const { id } = routes[0]!.proposal!;
  expect(await relayctl('proposals')).toMatch(new RegExp(`${id} .*failover.*spam-v2`));
  await relayctl('approve', `${id}`, '--reason', 'the numbers are clear');
  expect(await weights()).toEqual({ 'spam-v1': 0, 'spam-v2': 10_000 });

  expect(await relayctl('history')).toMatch(/failover.*spam-v1.*spam-v2/);
  const events = demo.watch.events.map(({ kind, to_model }) => `${kind} ${to_model}`);
  expect(events.slice(0, 2)).toEqual(['manual spam-v2', 'manual spam-v1']);
  expect(await relayctl('audit')).toMatch(/approve .*unfreeze .*freeze .*switch .*unpin .*pin /);
  expect(await relayctl('audit', '--verify')).toMatch(/6 entries, intact; the last one is/);
});
