import { rm } from 'node:fs/promises';
import { freshnessQueries } from '@relaycore/rules';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prometheusReader } from '../../controller/src/read/prometheus.ts';
import { type Decision, isChange, type SignalReadings, type Verdict } from '../../controller/src/types.ts';
import type { Scraped } from '../sim/counters.ts';
import { exampleStage } from '../sim/example.ts';
import { operatorFor, runJob, type Stage, type Tick } from '../sim/run.ts';
import { targetNames } from '../sim/scenario.ts';
import { temporaryFolder } from '../support/databases.ts';
import { type RunningServer, startPrometheus } from '../support/servers.ts';
import { remoteWrite } from './remote-write.ts';
import { type Scrape, stored } from './stored.ts';

/*
 * What the simulation says is worth as much as its likeness to a controller that reads a real Prometheus. So scenarios
 * are simulated, everything that was scraped in them is written into a real Prometheus as its own scrapes would have
 * been, with the times of the scenario, and the controller's reader asks that Prometheus tick by tick. Assessed and
 * decided by the same code, both must have read, thought and done the same in every tick.
 *
 * Written, not scraped: hours pass in seconds. That real scrapes leave the same behind is shown by stored.test.ts.
 */

const good = {
  success: 0.99,
  latency_ms: { lognormal: { p50: 600, p95: 1500 } },
  score: { beta: { mean: 0.9, sd: 0.12 } },
};
const failing = { success: 0.5 };

/** The primary is bad from minute 5 to minute 10: long enough to be tried in vain, and to come back before the end. */
const spell = (bad: object) => ({
  policy: {
    routes: {
      any: {
        failback: {
          canary_percent: 20,
          canary_minutes: 1,
          steps: [50, 100],
          step_minutes: 1,
          backoff_minutes: 2,
        },
      },
    },
  },
  duration: '30m',
  phases: [
    { at: 0, ...good },
    { at: '5m', ...bad, degraded: true },
    { at: '10m', ...good, degraded: false },
  ],
  backups: [good],
});

test.each<[string, Record<string, unknown>]>([
  [
    'half of the requests fail for a while, and so do some scrapes',
    { ...spell(failing), scrape: { jitter: '500ms', missed: 0.05 } },
  ],
  [
    'answers get worse, labels come late, and scrapes are rarer than ticks',
    {
      ...spell({ score: { beta: { mean: 0.6, sd: 0.15 } } }),
      label_delay: '20s',
      scrape: { interval: '15s' },
    },
  ],
  [
    'answers take four times as long, and scrapes come more often than ticks',
    {
      ...spell({ latency_ms: { lognormal: { p50: 2400, p95: 6000 } } }),
      scrape: { interval: '2s', jitter: '1s' },
    },
  ],
  [
    'three replicas restart so often that scrapes miss whole lives of them',
    { ...spell(failing), replicas: 3, resets: { every: '13s' }, scrape: { jitter: '500ms', missed: 0.2 } },
  ],
  [
    'nothing is scraped for five minutes, when the primary goes bad and when it comes back',
    {
      ...spell(failing),
      scrape: {
        gaps: [
          { at: '4m', for: '5m' },
          { at: '11m', for: '5m' },
        ],
      },
    },
  ],
  [
    'the backup fails as well, and a second one serves',
    {
      ...spell(failing),
      backups: [
        {
          phases: [
            { at: 0, ...good },
            { at: '7m', ...failing },
          ],
        },
        good,
      ],
      scrape: {},
    },
  ],
])('%s', async (_, changes) => {
  const stage = await exampleStage(changes);
  const { ticks, scrapes } = simulate(stage);
  await remoteWrite(prometheus.url, stored(scrapes.map(asScrape)));
  const replayed = await replay(stage, ticks);
  for (const [i, tick] of ticks.entries()) expect(account(replayed[i]!), `tick ${i}`).toEqual(account(tick));
  const { decisions, verdicts } = changesIn(replayed);
  expect({ decisions, verdicts }).toEqual(changesIn(ticks));
  expect(decisions.at(0)).toMatchObject({ kind: 'failover', from: 'primary' });
  expect(decisions.at(-1)).toMatchObject({ kind: 'failback', to: 'primary' });
  expect(verdicts.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['unknown', 'healthy', 'degraded']),
  );
});

let folder: string;
let prometheus: RunningServer;

beforeEach(async () => {
  folder = await temporaryFolder();
  prometheus = await startPrometheus({ folder, config: '' });
});

afterEach(async () => {
  await prometheus?.stop();
  await rm(folder, { recursive: true, force: true });
});

function simulate(stage: Stage): { readonly ticks: readonly Tick[]; readonly scrapes: readonly Scraped[] } {
  const ticks: Tick[] = [];
  const scrapes: Scraped[] = [];
  runJob(
    stage,
    { rate: 10, detector: 'ours', repeat: 0, seed: 1 },
    { onTick: tick => ticks.push(tick), onScrape: scraped => scrapes.push(scraped) },
  );
  return { ticks, scrapes };
}

/** The same ticks for another operator of the same kind, who reads Prometheus. Probes answer as they did. */
async function replay(stage: Stage, ticks: readonly Tick[]): Promise<readonly Tick[]> {
  const reader = prometheusReader({ url: prometheus.url, timeoutMs: 5_000 });
  const operator = operatorFor(stage, 'ours');
  const names = targetNames(stage.scenario.targets.length);
  const replayed: Tick[] = [];
  for (const { at, probesPass } of ticks) {
    const { models } = await reader.read(stage.policy, at);
    const readings = names.map(name => models.get(name)!);
    replayed.push({ at, readings, probesPass, seen: operator.tick(at, readings, probesPass) });
  }
  return replayed;
}

interface Account {
  readonly readings: readonly SignalReadings[];
  readonly verdicts: Readonly<Record<string, Verdict>>;
  readonly decision: Decision;
}

const account = ({ readings, seen: { assessments, decision } }: Tick): Account => ({
  readings,
  verdicts: Object.fromEntries([...assessments!].map(([model, { verdict }]) => [model, verdict])),
  decision: decision!,
});

function changesIn(ticks: readonly Tick[]) {
  const accounts = ticks.map(account);
  return {
    decisions: accounts.flatMap(({ decision }, tick) => {
      if (!isChange(decision)) return [];
      const { kind, from, to, reason } = decision;
      return [{ tick, kind, from, to, reason }];
    }),
    verdicts: accounts.flatMap(({ verdicts }, tick) =>
      Object.entries(verdicts).flatMap(([model, { kind }]) =>
        kind === accounts[tick - 1]?.verdicts[model]?.kind ? [] : [{ tick, model, kind }],
      ),
    ),
  };
}

/** A page of a real server tells the start of its process among its metrics. */
const asScrape = ({ at, target, page }: Scraped): Scrape => ({
  at,
  target,
  ...(page && {
    page: [
      ...page.counters,
      { labels: { __name__: freshnessQueries.processStart, ...target }, value: page.startedAt / 1000 },
    ],
  }),
});
