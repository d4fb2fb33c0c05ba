import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compilePolicy } from '@relaycore/rules';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prometheusReader } from '../../controller/src/read/prometheus.ts';
import type { Reading, Readings } from '../../controller/src/types.ts';
import { temporaryFolder } from '../support/databases.ts';
import { policyOf } from '../support/scripted-reader.ts';
import { type RunningServer, startPrometheus } from '../support/servers.ts';

/*
 * A page of every kind of server that a profile is for, as the server writes it, in three states side by side: at
 * first, after a good minute, after a bad one. A real Prometheus scrapes them and evaluates the compiled rules, and the
 * controller's reader reads what it holds.
 */

const policy = policyOf(`
detection: { ingestion_lag_seconds: 0, stale_seconds: 10 }
models:
  llama: { name: meta-llama/Llama-3.1-8B-Instruct, profile: vllm }
  qwen: { name: Qwen/Qwen3-8B, profile: sglang, latency: { critical_threshold_ms: 6000 } }
  mistral: { profile: tgi, latency: { warning_threshold_ms: 2525, critical_threshold_ms: 5681 } }
  densenet: { name: densenet_onnx, version: '1', profile: triton }
  iris: { profile: knative, latency: { warning_threshold_ms: 2500 } }
  sklearn: { name: sklearn-iris, profile: kserve, latency: { warning_threshold_ms: 2500 } }
  gpt-4o: { profile: litellm }
resources:
  cache: { value: 'vllm:kv_cache_usage_perc or sglang:token_usage', warning_threshold: 0.95, model_label: model_name }
  gpu_memory: { value: nv_gpu_memory_used_bytes / nv_gpu_memory_total_bytes, warning_threshold: 0.95 }
  queue: { value: tgi_queue_size, warning_threshold: 50 }
  dcgm_memory:
    value: >-
      label_replace(DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE), "model", "llama", "pod", "llama-.*")
    warning_threshold: 0.95
`);

/** Of 100 requests that count, so many failed in a good minute and in a bad one; and so many were slow. */
interface Expected {
  readonly vantage: 'server' | 'gateway';
  readonly failed?: readonly [number, number];
  /** How many of those failures were refusals for want of quota. */
  readonly overQuota?: readonly [number, number];
  readonly requests?: readonly [number, number];
  readonly slow?: Readonly<Record<'warning' | 'critical', readonly [number, number]>>;
}
const slow = { warning: [10, 50], critical: [4, 30] } as const;
const failed = [1, 40] as const;

const expected: Readonly<Record<string, Expected>> = {
  llama: { vantage: 'server', failed, slow },
  qwen: { vantage: 'server', slow },
  mistral: { vantage: 'server', failed, slow },
  densenet: { vantage: 'server', failed },
  // It times the requests that are no fault of the model too.
  iris: { vantage: 'server', failed, requests: [103, 108], slow },
  sklearn: { vantage: 'server', slow },
  // It times only what succeeded.
  'gpt-4o': {
    vantage: 'gateway',
    failed,
    overQuota: [1, 15],
    requests: [100, 60],
    slow: { warning: [10, 30], critical: [4, 18] },
  },
};

const scrapeMs = 1_000;
let folder: string;
let prometheus: RunningServer;
let pages: Pages;
/** What was read after the good minute and after the bad one. */
let read: readonly Readings[];

beforeAll(async () => {
  folder = await temporaryFolder();
  pages = await startPages();
  for (const [name, text] of Object.entries(compilePolicy(policy)))
    if (name.endsWith('.rules.yml')) await writeFile(join(folder, name), text);
  prometheus = await startPrometheus({ config: configFor(pages.address), folder });
  const reader = prometheusReader({ url: prometheus.url, timeoutMs: 10_000 });
  const states: Readings[] = [];
  for (const state of [0, 1, 2]) {
    pages.show(state);
    states.push(await reader.read(policy, await scrapedByNow(state)));
  }
  read = states.slice(1);
});

afterAll(async () => {
  await prometheus?.stop();
  await pages?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe.each(Object.entries(expected))('%s', (model, { vantage, failed, overQuota, requests, slow }) => {
  test.each([
    ['good', 0],
    ['bad', 1],
  ])('is read after a %s minute', (_, minute) => {
    const { success, latency } = read[minute]!.models.get(model)!;
    const refused = overQuota && { overQuota: overQuota[minute]! };
    expect(success).toEqual(
      failed ? { ...counts(vantage, 100, failed[minute]!), ...refused } : absent('success'),
    );
    const all = requests?.[minute] ?? 100;
    expect(latency).toEqual(
      slow ? counts(vantage, all, slow.warning[minute]!, slow.critical[minute]!) : absent('latency'),
    );
  });

  test('is recorded by the rules, both minutes together', async () => {
    const share = (signal: string, level: string) =>
      `model:bad:ratio1h{model="${model}",signal="${signal}",level="${level}"}`;
    const sum = ([good, bad]: readonly [number, number]) => good + bad;
    if (failed) await settles(share('success', 'critical'), sum(failed) / 200);
    else expect(await value(share('success', 'critical'))).toBeUndefined();
    for (const level of ['warning', 'critical'] as const)
      if (slow) await settles(share('latency', level), sum(slow[level]) / sum(requests ?? [100, 100]));
      else expect(await value(share('latency', level))).toBeUndefined();
  });
});

test('resources are those of the models that run there', () => {
  const usedBy = (model: string) =>
    Object.fromEntries(
      [...(read[1]!.resources.get(model) ?? [])].map(([name, { value }]) => [name, Number(value.toFixed(4))]),
    );
  expect(usedBy('llama')).toEqual({ cache: 0.97, dcgm_memory: 0.99 });
  expect(usedBy('qwen')).toEqual({ cache: 0.98 });
  expect(usedBy('mistral')).toEqual({ queue: 94 });
  expect(usedBy('densenet')).toEqual({ gpu_memory: 0.975 });
});

function counts(vantage: string, all: number, bad: number, badAtCritical = bad): Reading {
  const observed = (bad: number) => [
    { badness: 0, count: all - bad },
    { badness: 1, count: bad },
  ];
  return {
    kind: 'counts',
    vantage,
    levels: { warning: observed(bad), critical: observed(badAtCritical) },
  } as Reading;
}

const absent = (signal: string): Reading => ({
  kind: 'absent',
  reason: `no ${signal} series of this model at a target that was scraped lately`,
});

/** Pages by job, and what the scrape configuration says of a target that names no model. */
const jobs: Readonly<Record<string, { readonly model?: string }>> = {
  vllm: {},
  sglang: {},
  tgi: { model: 'mistral' },
  triton: {},
  knative: { model: 'iris' },
  kserve: {},
  litellm: {},
  dcgm: {},
};

function configFor(address: string): string {
  const scrapes = Object.entries(jobs).map(([job, labels]) => ({
    job_name: job,
    metrics_path: `/${job}`,
    static_configs: [{ targets: [address], labels }],
  }));
  return JSON.stringify({
    global: {
      scrape_interval: `${scrapeMs}ms`,
      scrape_timeout: `${scrapeMs}ms`,
      evaluation_interval: '1s',
    },
    rule_files: ['*.rules.yml'],
    scrape_configs: scrapes,
  });
}

interface Pages {
  readonly address: string;
  /** Which of the three states every page is in from now on. */
  show(state: number): void;
  stop(): Promise<void>;
}

async function startPages(): Promise<Pages> {
  const texts = new Map(Object.keys(jobs).map(job => [`/${job}`, pageText(job)]));
  let shown = 0;
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(`${inState(texts.get(request.url!)!, shown)}test_state ${shown}\n`);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    show(state) {
      shown = state;
    },
    async stop() {
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const pageText = (job: string) => readFileSync(new URL(`pages/${job}.txt`, import.meta.url), 'utf8');

/** A series is followed by its values in the three states. */
const inState = (text: string, state: number) =>
  text.replaceAll(/^([^#].*) (\S+) (\S+) (\S+)$/gm, (_, series, ...values) => `${series} ${values[state]}`);

/**
 * Waits until the rules have seen everything. A window longer than the test is extrapolated alike for all series, but
 * for those that begin at zero.
 */
async function settles(promql: string, wanted: number): Promise<void> {
  const deadline = AbortSignal.timeout(25_000);
  for (let found: number | undefined; Math.abs((found ?? -1) - wanted) > 1e-3; await delay(50)) {
    found = await value(promql);
    if (deadline.aborted) throw new Error(`${promql} stays at ${found} instead of ${wanted}`);
  }
}

/** An instant at which Prometheus holds this state of all pages; every scrape that began before it is over. */
async function scrapedByNow(state: number): Promise<number> {
  const deadline = AbortSignal.timeout(30_000);
  for (; ; await delay(50)) {
    const at = Date.now() - scrapeMs;
    if ((await value(`count(test_state == ${state})`, at)) === Object.keys(jobs).length) return at;
    deadline.throwIfAborted();
  }
}

/** The first value of the answer; undefined when there is none. */
async function value(promql: string, at = Date.now()): Promise<number | undefined> {
  const query = new URLSearchParams({ query: promql, time: String(at / 1000) });
  const response = await fetch(`${prometheus.url}/api/v1/query?${query}`, {
    signal: AbortSignal.timeout(5_000),
  });
  const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
  const found = data.result[0]?.value[1];
  return found === undefined ? undefined : Number(found);
}
