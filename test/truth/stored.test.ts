import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freshnessQueries } from '@relaycore/rules';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prometheusClient } from '../../controller/src/read/client.ts';
import { seeded } from '../sim/random.ts';
import { temporaryFolder } from '../support/databases.ts';
import { type RunningServer, startPrometheus } from '../support/servers.ts';
import { remoteWrite } from './remote-write.ts';
import { type Replica, startReplica } from './replica.ts';
import { type Scrape, stored } from './stored.ts';

/*
 * One real Prometheus scrapes two replicas, of which some scrapes fail, and one series is born late. What it was told,
 * written into another one, has to give the same answers at every instant.
 */

let folder: string;
let replicas: readonly Replica[];
let scraping: RunningServer;
let written: RunningServer;

beforeAll(async () => {
  folder = await temporaryFolder();
  const life = (name: string) => ({ random: seeded('stored', name), missed: 0.3, restarts: 0.2 });
  replicas = [await startReplica(life('a')), await startReplica({ ...life('b'), errorsFrom: 6 })];
  const addresses = replicas.map(({ address }) => `'${address}'`).join(', ');
  scraping = await startPrometheus({
    folder: join(folder, 'scraping'),
    config: `
global: { scrape_interval: 300ms, scrape_timeout: 300ms }
scrape_configs: [{ job_name: models, static_configs: [{ targets: [${addresses}] }] }]
`,
  });
  written = await startPrometheus({ folder: join(folder, 'written'), config: '' });
});

afterAll(async () => {
  await Promise.all([scraping, written, ...(replicas ?? [])].map(server => server?.stop()));
  await rm(folder, { recursive: true, force: true });
});

test('what is stored of scrapes is what a Prometheus that scrapes stores', async () => {
  await scraped(20);
  const scrapes = await told(scraping.url);
  const failed = scrapes.filter(({ page }) => !page);
  expect(failed.length).toBeGreaterThan(3);
  await remoteWrite(written.url, stored(scrapes));
  const ticks = instants(scrapes);
  expect(ticks.length).toBeGreaterThan(60);
  for (const at of ticks) expect(await answers(written, at), `${at}`).toEqual(await answers(scraping, at));
});

async function scraped(times: number): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  while (replicas.some(({ scrapes }) => scrapes() < times)) {
    deadline.throwIfAborted();
    await delay(20);
  }
}

/** Without what Prometheus says about its own scraping. */
const everything = '{job="models",__name__!~"scrape_.*"}';
const timeoutMs = 5_000;

/** The scrapes so far, from the raw samples with their own times. */
async function told(url: string): Promise<readonly Scrape[]> {
  const query = new URLSearchParams({ query: `${everything}[1m]` });
  const response = await fetch(`${url}/api/v1/query?${query}`, { signal: AbortSignal.timeout(timeoutMs) });
  const { data } = (await response.json()) as { data: { result: RawSeries[] } };
  const samples = data.result.flatMap(({ metric, values }) =>
    values.map(([seconds, value]) => ({
      labels: metric,
      at: Math.round(seconds * 1000),
      value: Number(value),
    })),
  );
  const ups = samples.filter(({ labels }) => labels.__name__ === freshnessQueries.up);
  return ups
    .sort((a, b) => a.at - b.at)
    .map(({ at, value, labels: { instance, job } }) => {
      const page = samples.filter(
        ({ labels, at: then }) =>
          then === at && labels.instance === instance && labels.__name__ !== freshnessQueries.up,
      );
      return { at, target: { instance: instance!, job: job! }, ...(value === 1 && { page }) };
    });
}

interface RawSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

/** Just before each scrape and at it, as far as the scrapes of both replicas are known. */
function instants(scrapes: readonly Scrape[]): readonly number[] {
  const lastOf = ({ address }: Replica) =>
    Math.max(...scrapes.filter(({ target }) => target.instance === address).map(({ at }) => at));
  const until = Math.min(...replicas.map(lastOf));
  return scrapes.flatMap(({ at }) => [at - 1, at]).filter(at => at <= until);
}

async function answers({ url }: RunningServer, at: number) {
  const client = prometheusClient({ url, timeoutMs });
  const found = await Promise.all(
    [everything, freshnessQueries.scrapedAt].map(promql => client.instant('all', promql, at)),
  );
  return found.map(samples =>
    Object.fromEntries(samples.map(({ labels, value }) => [JSON.stringify(labels), value])),
  );
}
