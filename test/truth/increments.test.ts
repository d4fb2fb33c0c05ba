import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { counterQueries, freshnessQueries } from '@relaycore/rules';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prometheusClient } from '../../controller/src/read/client.ts';
import { prometheusReader } from '../../controller/src/read/prometheus.ts';
import { readTick, type TickMemory } from '../../controller/src/read/tick.ts';
import type { Readings } from '../../controller/src/types.ts';
import { seeded } from '../sim/random.ts';
import { temporaryFolder } from '../support/databases.ts';
import { policyOf } from '../support/scripted-reader.ts';
import { type RunningServer, startPrometheus } from '../support/servers.ts';
import { type Page, type Replica, scoreEdges, serialName, startReplica } from './replica.ts';

/*
 * Two real Prometheus servers scrape the same replicas for half a minute: restarts between scrapes, missed scrapes, a
 * gap, slow answers, a target that leaves and returns, one that comes later, a series that is born late. Afterwards
 * that time is read tick by tick, as a controller would have, and what was counted is compared with what was served.
 * Reading afterwards gives the same answers and makes the test independent of the machine's load.
 */

const scrapeMs = 500;
const policy = policyOf(`
detection: { tick_seconds: 1, ingestion_lag_seconds: 0, stale_seconds: 3, max_gap_seconds: 60 }
models: { spam-nb: {} }
`);

let folder: string;
let servers: readonly RunningServer[];
let replicas: readonly Replica[];
let pages: ReadonlyMap<number, Page>;
let from: number;
let until: number;

beforeAll(async () => {
  folder = await temporaryFolder();
  await record();
}, 90_000);

afterAll(async () => {
  await Promise.all([...(servers ?? []), ...(replicas ?? [])].map(server => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function record(): Promise<void> {
  const life = (name: string) => ({ random: seeded('truth', name), missed: 0.03, restarts: 0.06 });
  const steady = await startReplica(life('steady'));
  const failing = await startReplica({ ...life('failing'), gap: { from: 30, until: 46 } });
  const leaving = await startReplica(life('leaving'));
  const lateErrors = await startReplica({ ...life('late errors'), restarts: 0, errorsFrom: 50 });
  replicas = [steady, failing, leaving, lateErrors];
  await offer(replicas);
  servers = await Promise.all(['a', 'b'].map(startScraper));
  await scraped(steady, 4);
  from = Date.now();
  await scraped(steady, 30);
  const late = await startReplica(life('late'));
  replicas = [...replicas, late];
  await offer([steady, failing, lateErrors, late]);
  await forgotten(leaving);
  const left = leaving.scrapes();
  await offer(replicas);
  await scraped(leaving, left + 20);
  until = Date.now();
  pages = new Map(replicas.flatMap(replica => [...replica.pages]));
}

/** Both servers follow the same list of targets. */
async function offer(targets: readonly Replica[]): Promise<void> {
  const list = join(folder, 'targets.json');
  await writeFile(`${list}.new`, JSON.stringify([{ targets: targets.map(({ address }) => address) }]));
  await rename(`${list}.new`, list);
}

const startScraper = (name: string) =>
  startPrometheus({
    folder: join(folder, name),
    config: `
global: { scrape_interval: ${scrapeMs}ms, scrape_timeout: ${scrapeMs}ms }
scrape_configs:
  - { job_name: models, file_sd_configs: [{ files: ['../targets.json'], refresh_interval: 1s }] }
`,
  });

const scraped = (replica: Replica, times: number) => waitFor(() => replica.scrapes() >= times);

/** Its last scrapes were marked as stale by both servers, which takes them seconds. */
function forgotten({ address }: Replica): Promise<void> {
  return waitFor(async () => {
    const known = await Promise.all(
      servers.map(({ url }) =>
        prometheusClient({ url, timeoutMs }).instant('up', `up{instance="${address}"}`, Date.now()),
      ),
    );
    return known.every(samples => samples.length === 0);
  });
}

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  while (!(await condition())) {
    deadline.throwIfAborted();
    await delay(20);
  }
}

describe('one Prometheus', () => {
  test('what survived a scrape is counted, each request once', async () => {
    const everyScrapeIsSeen = scrapeMs / 2.5;
    const ticks = ticksEvery(everyScrapeIsSeen, servers[0]!);
    const counted = await count(ticks);
    expect(counted).toEqual(await truth(ticks));
    expect(counted.good).toBeGreaterThan(1_000);
    expectAtMost(counted, served());
  });

  test.each([1_000, 2_500, 5_000])(
    'at a tick every %i ms, what survived until a tick is counted, each request once',
    async tickMs => {
      const ticks = ticksEvery(tickMs, servers[0]!);
      expect(await count(ticks)).toEqual(await truth(ticks));
    },
  );

  test('its reader counts the same', async () => {
    const ticks = ticksEvery(1_000, servers[0]!);
    const reader = prometheusReader({ url: servers[0]!.url, timeoutMs });
    const counted = nothing();
    for (const { at } of ticks) addReadings(counted, await reader.read(policy, at));
    expect(counted).toEqual(await truth(ticks));
  });
});

describe('two that scrape the same, one of them read at a time', () => {
  test.each([200, 1_000, 2_500])('every %i ms: a change counts nothing twice', async tickMs => {
    const random = seeded('changes', tickMs);
    let source = 0;
    const ticks = ticksEvery(tickMs, servers[0]!).map(({ at }) => {
      if (random() < 0.2) source = 1 - source;
      return { at, server: servers[source]! };
    });
    const counted = await count(ticks);
    expect(counted).toEqual(await truth(ticks));
    expectAtMost(counted, served());
  });
});

interface Tick {
  readonly at: number;
  readonly server: RunningServer;
}

const timeoutMs = 5_000;

function ticksEvery(ms: number, server: RunningServer): readonly Tick[] {
  return Array.from({ length: Math.floor((until - from) / ms) }, (_, i) => ({ at: from + i * ms, server }));
}

/** What was counted: requests by outcome, and scores by their edge. */
type Tally = Record<string, number>;

const nothing = (): Tally =>
  Object.fromEntries(['good', 'bad', ...scoreEdges.map(edge => `score ${edge}`)].map(key => [key, 0]));

/** As the controller reads, with one memory for both servers. */
async function count(ticks: readonly Tick[]): Promise<Tally> {
  const tally = nothing();
  const queries = counterQueries(policy);
  let memory: TickMemory | undefined;
  for (const { at, server } of ticks) {
    const client = prometheusClient({ url: server.url, timeoutMs });
    const [scrapedAt, startedAt, ...counters] = await Promise.all([
      client.instant('freshness', freshnessQueries.scrapedAt, at),
      client.instant('freshness', freshnessQueries.processStart, at),
      ...queries.map(({ signal, promql }) => client.instant(signal, promql, at)),
    ]);
    const raw = {
      at,
      scrapedAt: scrapedAt!,
      startedAt: startedAt!,
      counters: counters.flat(),
      gauges: new Map(),
      failures: new Map(),
    };
    const tick = readTick(policy, memory, server.url, raw);
    memory = tick.memory;
    addReadings(tally, tick);
  }
  return tally;
}

function addReadings(tally: Tally, { models }: Pick<Readings, 'models'>): void {
  const { success, accuracy } = models.get('spam-nb')!;
  if (success.kind === 'counts')
    for (const { badness, count } of success.levels.critical) tally[badness === 0 ? 'good' : 'bad']! += count;
  if (accuracy.kind === 'counts')
    for (const { badness, count } of accuracy.levels.critical)
      tally[`score ${Number((1 - badness).toFixed(1))}`]! += count;
}

/**
 * What was to be counted, from the pages that Prometheus holds at the ticks: of each process and series the most that
 * any page showed. Of an old process seen for the first time, or for the first time since the server changed, the
 * first page is the baseline; of one that restarted in plain sight, or that is younger than the tick before, all counts.
 */
async function truth(ticks: readonly Tick[]): Promise<Tally> {
  const tally = nothing();
  let sights = new Map<string, { readonly first: number; most: number }>();
  let before: Tick | undefined;
  for (const tick of ticks) {
    if (tick.server !== before?.server) {
      addSights(tally, sights);
      sights = new Map();
    }
    const isFirst = tick.server !== before?.server;
    const known = new Set([...sights.keys()].map(key => seriesOf(key)));
    for (const page of await pagesAt(tick))
      for (const [series, shown] of Object.entries(page.counts)) {
        const key = `${page.process} ${page.replica} ${series}`;
        const sight = sights.get(key);
        const isYoung = !isFirst && page.startedAt > before!.at;
        if (sight) sight.most = Math.max(sight.most, shown);
        else sights.set(key, { first: isYoung || known.has(seriesOf(key)) ? 0 : shown, most: shown });
      }
    before = tick;
  }
  addSights(tally, sights);
  return tally;
}

/** Without the number of the process. */
const seriesOf = (key: string) => key.slice(key.indexOf(' ') + 1);

function addSights(
  tally: Tally,
  sights: ReadonlyMap<string, { readonly first: number; readonly most: number }>,
) {
  for (const [key, { first, most }] of sights) addTo(tally, key.split(' ').slice(2).join(' '), most - first);
}

function addTo(tally: Tally, series: string, count: number): void {
  if (series === 'cancelled') return;
  const part = series === 'ok' ? 'good' : series === 'error' || series === 'timeout' ? 'bad' : series;
  tally[part]! += count;
}

async function pagesAt({ at, server }: Tick): Promise<readonly Page[]> {
  const client = prometheusClient({ url: server.url, timeoutMs });
  const serials = await client.instant('serials', serialName, at);
  return serials.map(({ value }) => pages.get(value)!);
}

/** All requests since the replicas were started, also those that no scrape saw. */
function served(): Tally {
  const tally = nothing();
  for (const replica of replicas)
    for (const [series, count] of Object.entries(replica.served)) addTo(tally, series, count);
  return tally;
}

function expectAtMost(counted: Tally, most: Tally): void {
  for (const [part, count] of Object.entries(counted)) expect(count, part).toBeLessThanOrEqual(most[part]!);
}
