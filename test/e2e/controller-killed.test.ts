import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dashboards } from '../../grafana/src/dashboards.ts';
import { unansweredQueries } from '../../grafana/src/proof.ts';
import { dashboardQueries, everything } from '../../grafana/src/queries.ts';
import { type Demo, root, startDemo } from '../support/demo.ts';

/*
 * The drift story on the demo's real servers, while the controller is killed at the worst moments: it carries on from
 * its database, and what it recorded is whole. At the end every dashboard query is asked of the Prometheus that saw it.
 */

const startedAt = Date.now();

let demo: Demo;
beforeAll(async () => {
  demo = await startDemo({ seed: 2 });
}, 120_000);
afterAll(() => demo?.stop(), 60_000);

async function killAndStartAgain(): Promise<void> {
  demo.stack.controller().signal('SIGKILL');
  await demo.stack.startControllerAgain();
}

const servedBy = async () => {
  const answer = await fetch(`${demo.stack.gateway.url}/api/v1/routes/mail-filter`);
  return ((await answer.json()) as { data: { generation: number; weights: Record<string, number> } }).data;
};

test('killed at any moment, the controller carries on without losing or doubling anything', async () => {
  await demo.watch.until(
    ({ models }) => models.some(model => model.model_id === 'spam-v1' && model.verdict === 'healthy'),
    {
      ms: 60_000,
      what: 'a healthy verdict',
    },
  );

  demo.client.population('shifted');
  await delay(5_000);
  await killAndStartAgain(); // while evidence builds up
  const failover = await demo.watch.event(({ kind }) => kind === 'failover', {
    ms: 180_000,
    what: 'the failover',
  });
  await killAndStartAgain(); // right after the decision
  expect((await servedBy()).weights).toEqual({ 'spam-v1': 0, 'spam-v2': 10_000 });

  demo.client.population('early');
  await demo.watch.event(({ kind }) => kind === 'probe', { ms: 120_000, what: 'the canary' });
  await killAndStartAgain(); // while the primary proves itself
  await demo.watch.event(({ kind }) => kind === 'ramp', { ms: 120_000, what: 'the ramp' });
  await killAndStartAgain();
  const failback = await demo.watch.event(({ kind }) => kind === 'failback', {
    ms: 120_000,
    what: 'the failback',
  });
  await demo.watch.until(({ routes }) => routes[0]?.generation === failback.generation, {
    ms: 10_000,
    what: 'the last state',
  });

  const { events } = (await (
    await fetch(`${demo.stack.controller().url}/api/v1/performance/switch-history?limit=500`)
  ).json()) as {
    events: { generation: number; kind: string; outcome: string; decision: Record<string, unknown> }[];
  };
  const oldestFirst = events.toReversed();
  expect(oldestFirst.map(({ generation }) => generation)).toEqual(oldestFirst.map((_, i) => i + 1));
  expect(oldestFirst.map(({ kind }) => kind)).toEqual(['failover', 'probe', 'ramp', 'failback']);
  expect(new Set(events.map(({ outcome }) => outcome))).toEqual(new Set(['applied']));
  expect((await servedBy()).generation).toBe(failback.generation);

  expect(failover.signal).toBe('accuracy');
  expect(oldestFirst[0]?.decision).toMatchObject({
    kind: 'failover',
    queries: { accuracy: expect.stringContaining('ml_evaluation_score_bucket') },
    readings: { 'spam-v1': { accuracy: { kind: 'counts', vantage: 'server' } } },
    evidence: {
      levels: {
        critical: {
          rule: 'shiryaev-roberts',
          evidence: expect.any(Number),
          evidenceThreshold: expect.any(Number),
          threshold: 0.85,
          counts: { requests: expect.any(Number) },
        },
      },
    },
    alternatives: [{ model: 'spam-v2', chosen: true, vetted: true }],
    generation: { before: 0, after: 1 },
  });

  const { failed, lost } = demo.client.statistics();
  expect({ failed, lost }).toEqual({ failed: 0, lost: 0 });
});

test('a backtest over that time lists the switches that happened', async () => {
  const from = String(startedAt);
  const relayctl = [
    'controller/src/main.ts',
    'backtest',
    '--json',
    '--from',
    from,
    '--policy',
    'deploy/demo/policy.yml',
  ];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=source', ...relayctl, '--prometheus', demo.stack.prometheus().url],
    { cwd: root, env: { ...process.env, ...demo.stack.environment }, maxBuffer: 100e6 },
  );
  const replayed = JSON.parse(stdout) as { at: number; change: { kind: string; from: string; to: string } }[];
  const happened = demo.watch.events.map(event => ({
    at: Date.parse(event.switch_timestamp),
    change: [event.kind, event.from_model, event.to_model],
  }));
  expect(replayed.map(({ change: { kind, from, to } }) => [kind, from, to])).toEqual(
    happened.map(({ change }) => change),
  );
  // The controller that was killed lost some evidence each time; the replay was not.
  for (const [i, { at }] of replayed.entries()) expect(Math.abs(at - happened[i]!.at)).toBeLessThan(30_000);
});

test('every dashboard query is answered by the Prometheus that saw this', async () => {
  const queries = dashboardQueries(Object.values(dashboards()), { ...everything, __rate_interval: '20s' });
  await expect
    .poll(() => unansweredQueries(queries, { prometheusUrl: demo.stack.prometheus().url }), {
      timeout: 60_000,
      interval: 2_000,
    })
    .toEqual([]);
});
