import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { metrics, prometheusName } from '@neuroweaver/instrumentation/metrics';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../../test/support/databases.ts';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import { type RunningServer, startPrometheus } from '../../../test/support/servers.ts';
import { refusingAddress, startServer } from '../../relay/fixture.ts';
import type { Readings } from '../types.ts';
import { prometheusReader } from './prometheus.ts';

/*
 * A real Prometheus scrapes a page that the test controls, every 200 ms. What it holds is awaited by asking it, so the
 * reader is read exactly once a step and its increments can be compared with what was put on the page. One Prometheus
 * serves all tests: each begins with a restart of the page's process and a reader of its own.
 */

const policy = policyOf(`
detection: { ingestion_lag_seconds: 0, stale_seconds: 3, max_gap_seconds: 60 }
models: { spam-nb: {} }
`);
const counter = prometheusName(metrics.requests);

let folder: string;
let prometheus: RunningServer;
let page: Page;
beforeAll(async () => {
  folder = await temporaryFolder();
  page = await startPage();
  prometheus = await startPrometheus({ config: configFor(page.address), folder });
});
beforeEach(() => {
  page.restart({ ok: 0, error: 0 });
  page.also([]);
});
afterAll(async () => {
  await prometheus.stop();
  await page.stop();
  await rm(folder, { recursive: true, force: true });
});

const newReader = () => prometheusReader({ url: prometheus.url, timeoutMs: 10_000 });

describe('increments', () => {
  test('are what was counted between two reads; the first read is the baseline', async () => {
    const reader = newReader();
    page.counts({ ok: 1_000, error: 7 });
    await scraped('ok', 1_000);
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 0, bad: 0 });
    page.counts({ ok: 1_040, error: 12 });
    await scraped('ok', 1_040);
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 40, bad: 5 });
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 0, bad: 0 });
  });

  test('of a restarted process are all that it has counted since', async () => {
    const reader = newReader();
    page.counts({ ok: 1_000, error: 7 });
    await scraped('ok', 1_000);
    await reader.read(policy, Date.now());
    page.restart({ ok: 3, error: 1 });
    await scraped('ok', 3);
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 3, bad: 1 });
  });

  test('cover missed scrapes: nothing is counted meanwhile, and everything afterwards, once', async () => {
    const reader = newReader();
    page.counts({ ok: 100, error: 0 });
    await scraped('ok', 100);
    await reader.read(policy, Date.now());
    page.fail(true);
    await holds('up == 0');
    expect((await reader.read(policy, Date.now())).models.get('spam-nb')!.success).toEqual({
      kind: 'absent',
      reason: 'no success series of this model at a target that was scraped lately',
    });
    page.counts({ ok: 160, error: 4 });
    page.fail(false);
    await scraped('ok', 160);
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 60, bad: 4 });
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 0, bad: 0 });
  });
});

describe('absence', () => {
  test('of every target: verdicts can only be unknown, with that reason', async () => {
    const reader = newReader();
    page.counts({ ok: 100, error: 0 });
    await scraped('ok', 100);
    await reader.read(policy, Date.now());
    const lastScrapeIsOld = Date.now() + 10_000;
    const { models, problem } = await reader.read(policy, lastScrapeIsOld);
    expect(problem).toBeUndefined();
    expect(models.get('spam-nb')!.success).toEqual({
      kind: 'absent',
      reason: 'no target was scraped lately',
    });
  });

  test('of a signal leaves the others alone', async () => {
    page.counts({ ok: 100, error: 0 });
    await scraped('ok', 100);
    const { models, queries } = await newReader().read(policy, Date.now());
    expect(models.get('spam-nb')).toMatchObject({
      success: { kind: 'counts', vantage: 'server' },
      latency: { kind: 'absent' },
      accuracy: { kind: 'absent' },
      feedback: { kind: 'absent' },
    });
    expect(Object.keys(queries)).toEqual([
      'success',
      'latency',
      'accuracy',
      'feedback',
      'gpu_memory',
      'event_loop',
    ]);
    expect(queries.success).toContain(counter);
  });
});

describe('signals that the policy adds', () => {
  const custom = policyOf(`
detection: { ingestion_lag_seconds: 0, stale_seconds: 3, max_gap_seconds: 60 }
models: { spam-nb: {} }
signals:
  toxicity: { bad: flagged_total, total: 'checked_total or other_checked_total', critical_threshold: 0.02 }
  groundedness: { scores: rag_groundedness, critical_threshold: 0.7 }
  failures: { bad: '${counter}{outcome="error"}', total: '${counter}', critical_threshold: 0.5 }
`);
  /** What a moderation and a judge have counted. */
  const counts = (flagged: number, checked: number, scores: readonly number[]) => [
    `flagged_total{model="spam-nb"} ${flagged}`,
    `checked_total{model="spam-nb"} ${checked}`,
    ...['0.5', '1', '+Inf'].map(
      (le, i) => `rag_groundedness_bucket{model="spam-nb",le="${le}"} ${scores[i]}`,
    ),
  ];
  const both = (...observations: readonly (readonly [number, number])[]) => {
    const levels = observations.map(([badness, count]) => ({ badness, count }));
    return { kind: 'counts', vantage: 'elsewhere', levels: { warning: levels, critical: levels } };
  };

  test('are increments of their own counters, whatever else reads the same series', async () => {
    const reader = newReader();
    page.counts({ ok: 100, error: 5 });
    page.also(counts(3, 1_000, [10, 20, 20]));
    await holds('checked_total == 1000');
    await reader.read(custom, Date.now());
    page.counts({ ok: 160, error: 25 });
    page.also(counts(5, 1_100, [14, 30, 30]));
    await holds('checked_total == 1100');
    const { models, queries } = await reader.read(custom, Date.now());
    expect(models.get('spam-nb')).toMatchObject({
      success: { kind: 'counts', vantage: 'server' },
      toxicity: both([0, 98], [1, 2]),
      groundedness: both([0.5, 4], [0, 6]),
      failures: both([0, 60], [1, 20]),
    });
    expect(queries).toMatchObject({
      'toxicity.bad': 'flagged_total',
      'toxicity.total': 'checked_total or other_checked_total',
      groundedness: 'rag_groundedness_bucket',
    });
  });

  test('that Prometheus refuses are unknown with its reason, and only they', async () => {
    const refused = policyOf(`
detection: { ingestion_lag_seconds: 0, stale_seconds: 3 }
models: { spam-nb: {} }
signals:
  broken:
    bad: 'label_replace(${counter}, "outcome", "", "outcome", ".*")'
    total: checked_total
    critical_threshold: 0.02
  toxicity: { bad: flagged_total, total: checked_total, critical_threshold: 0.02 }
`);
    page.counts({ ok: 100, error: 5 });
    page.also(counts(3, 1_000, [10, 20, 20]));
    await holds('checked_total == 1000');
    const { models, problem } = await newReader().read(refused, Date.now());
    expect(problem).toBeUndefined();
    expect(models.get('spam-nb')).toMatchObject({
      success: { kind: 'counts' },
      toxicity: { kind: 'counts' },
      broken: {
        kind: 'absent',
        reason: expect.stringMatching(/^broken\.bad could not be read: Prometheus .* same labelset/),
      },
    });
  });

  test('count what happened while they could not be read, once they can', async () => {
    const answer = (result: unknown[]) =>
      JSON.stringify({ status: 'success', data: { resultType: 'vector', result } });
    const sample = (value: number, name = 'checked_total') => ({
      metric: { __name__: name, model: 'spam-nb', job: 'jobs', instance: 'a:1' },
      value: [0, String(value)],
    });
    let checked = 100;
    let warns = false;
    const url = await startServer((request, response) => {
      let body = '';
      request.on('data', chunk => {
        body += chunk;
      });
      request.on('end', () => {
        const query = new URLSearchParams(body).get('query')!;
        if (query === 'flagged_total' && warns)
          response.end(
            '{"status":"success","warnings":["a store is missing"],"data":{"resultType":"vector","result":[]}}',
          );
        else if (query === 'flagged_total') response.end(answer([sample(checked / 10, 'flagged_total')]));
        else if (query.startsWith('checked_total')) response.end(answer([sample(checked)]));
        else if (query === 'timestamp(up)') response.end(answer([sample(Date.now() / 1000)]));
        else response.end(answer([]));
      });
    });
    const reader = prometheusReader({ url, timeoutMs: 1_000 });
    const read = async () => (await reader.read(custom, Date.now())).models.get('spam-nb')!.toxicity;
    await read();
    warns = true;
    checked = 200;
    expect(await read()).toMatchObject({
      kind: 'absent',
      reason: expect.stringContaining('a store is missing'),
    });
    warns = false;
    checked = 300;
    expect(await read()).toEqual(both([0, 180], [1, 20]));
  });
});

test('what the policy adds and is never answered does not hold up the others', async () => {
  const slow = policyOf(`
models: { spam-nb: {} }
resources: { memory: { value: never_answered, warning_threshold: 1 } }
`);
  const url = await startServer((request, response) => {
    request.on('data', chunk => {
      if (!String(chunk).includes('never_answered'))
        response.end('{"status":"success","data":{"resultType":"vector","result":[]}}');
    });
  });
  const begun = performance.now();
  const { problem, failures } = await prometheusReader({ url, timeoutMs: 4_000 }).read(slow, Date.now());
  expect(performance.now() - begun).toBeLessThan(3_000);
  expect(problem).toBeUndefined();
  expect(failures!.get('memory')).toMatch(/^memory could not be read: .*timeout/);
});

test('resources are the worst value at the targets of a model; one that is refused is left out with its reason', async () => {
  const withResources = policyOf(`
detection: { ingestion_lag_seconds: 0, stale_seconds: 3 }
models: { spam-nb: {} }
resources:
  gpu_memory: { value: hw_gpu_memory_usage / hw_gpu_memory_limit, warning_threshold: 0.95 }
  broken: { value: 'label_replace(hw_gpu_memory_usage, "device", "", "device", ".*")', warning_threshold: 1 }
  unheard_of: { value: nobody_has_this, warning_threshold: 1 }
`);
  page.counts({ ok: 100, error: 5 });
  page.also(
    [48, 72].flatMap((used, device) => [
      `hw_gpu_memory_usage{device="${device}"} ${used}`,
      `hw_gpu_memory_limit{device="${device}"} 80`,
    ]),
  );
  await holds('hw_gpu_memory_usage == 72');
  const { resources, failures, queries } = await newReader().read(withResources, Date.now());
  expect(resources).toEqual(
    new Map([['spam-nb', new Map([['gpu_memory', { value: 0.9, instance: page.address }]])]]),
  );
  expect([...failures!.keys()]).toEqual(['broken']);
  expect(failures!.get('broken')).toMatch(/^broken could not be read: Prometheus .* same labelset/);
  expect(queries.gpu_memory).toBe('hw_gpu_memory_usage / hw_gpu_memory_limit');
});

test('the mean latency is that of all requests in the window, the gateway’s where it reports, of each model by its id', async () => {
  const balanced = policyOf(`
detection: { ingestion_lag_seconds: 0, stale_seconds: 3 }
models: { old: { name: spam, version: '1' }, new: { name: spam, version: '2' }, idle: {} }
routes: { mail: { targets: [old, new, idle], balance: {} } }
`);
  const histogram = (name: string, labels: string, sum: number, count: number) => [
    `${name}_sum{${labels}} ${sum}`,
    `${name}_count{${labels}} ${count}`,
  ];
  const server = prometheusName(metrics.requestDuration);
  const gateway = prometheusName(metrics.gatewayDuration);
  const put = (requests: number) =>
    page.also([
      ...histogram(
        server,
        'gen_ai_request_model="spam",ml_model_version="1",replica="a"',
        requests * 0.2,
        requests,
      ),
      ...histogram(
        `${server}_seconds`,
        'gen_ai_request_model="spam",ml_model_version="1",replica="b"',
        requests * 0.4,
        requests,
      ),
      ...histogram(server, 'gen_ai_request_model="spam",ml_model_version="2"', requests * 0.1, requests),
      ...histogram(gateway, 'gen_ai_request_model="spam",ml_model_version="2"', requests * 0.7, requests),
      ...histogram(server, 'gen_ai_request_model="idle"', 0, 0),
      `put_requests ${requests}`,
    ]);
  put(100);
  await holds('put_requests == 100');
  put(300);
  await holds('put_requests == 300');
  const { latencies, queries } = await newReader().read(balanced, Date.now());
  expect([...latencies!.seconds].map(([model, mean]) => [model, Number(mean.toFixed(6))]).sort()).toEqual([
    ['new', 0.7],
    ['old', 0.3],
  ]);
  expect(latencies).not.toHaveProperty('problem');
  expect(queries['latency.mean']).toContain(`increase(${gateway}_sum[10m])`);
  expect(await newReader().read(policy, Date.now())).not.toHaveProperty('latencies');
});

describe('a Prometheus', () => {
  test('that stops is a problem and everything unknown; back again, nothing counts twice', async () => {
    const reader = newReader();
    // Not what the test before left: that was another process.
    page.counts({ ok: 110, error: 0 });
    await scraped('ok', 110);
    await reader.read(policy, Date.now());
    page.counts({ ok: 160, error: 2 });
    await scraped('ok', 160);
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 50, bad: 2 });
    await prometheus.stop();
    const down = await reader.read(policy, Date.now());
    expect(down.problem).toMatch(new RegExp(`^Prometheus at ${prometheus.url} did not answer: .`));
    for (const reading of Object.values(down.models.get('spam-nb')!))
      expect(reading).toEqual({ kind: 'absent', reason: down.problem });
    page.counts({ ok: 190, error: 3 });
    const port = Number(new URL(prometheus.url).port);
    prometheus = await startPrometheus({ config: configFor(page.address), folder, port });
    await scraped('ok', 190);
    const back = await reader.read(policy, Date.now());
    expect(back.problem).toBeUndefined();
    expect(counted(back)).toEqual({ good: 30, bad: 1 });
    expect(counted(await reader.read(policy, Date.now()))).toEqual({ good: 0, bad: 0 });
  });

  test('that was never there is a problem', async () => {
    const url = await refusingAddress();
    const { problem } = await prometheusReader({ url, timeoutMs: 500 }).read(policy, Date.now());
    expect(problem).toContain(`Prometheus at ${url} did not answer`);
  });

  test('that does not answer is given up at the deadline', async () => {
    const url = await startServer(() => undefined);
    const begun = performance.now();
    const { problem } = await prometheusReader({ url, timeoutMs: 300 }).read(policy, Date.now());
    expect(problem).toMatch(/did not answer: .*timeout/);
    expect(performance.now() - begun).toBeLessThan(3_000);
  });

  test.each([
    ['answers 503', 503, '{}'],
    ['answers with a page', 200, '<h1>Welcome</h1>'],
    ['answers with an error', 200, '{"status":"error","errorType":"execution","error":"too many samples"}'],
    [
      'warns',
      200,
      '{"status":"success","warnings":["a store is missing"],"data":{"resultType":"vector","result":[]}}',
    ],
  ])('that %s is a problem', async (_, status, body) => {
    const url = await startServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    const { problem, models } = await prometheusReader({ url, timeoutMs: 1_000 }).read(policy, Date.now());
    expect(problem).toMatch(/^Prometheus (at http|warned)/);
    expect(models.get('spam-nb')!.success).toEqual({ kind: 'absent', reason: problem });
  });

  test('is asked with the headers given, and each query is timed', async () => {
    const seen = new Set<string | undefined>();
    const url = await startServer((request, response) => {
      seen.add(request.headers.authorization);
      response.end('{"status":"success","data":{"resultType":"vector","result":[]}}');
    });
    const timed: string[] = [];
    const headers = { authorization: 'Bearer s3cret' };
    const onQuery = (name: string) => timed.push(name);
    const { queries } = await prometheusReader({ url, timeoutMs: 1_000, headers, onQuery }).read(
      policy,
      Date.now(),
    );
    expect(Object.keys(queries)).toContain('latency');
    expect(seen).toEqual(new Set(['Bearer s3cret']));
    expect(timed.sort()).toEqual([...Object.keys(queries), 'freshness', 'freshness'].sort());
  });
});

function counted({ models, problem }: Readings): { good: number; bad: number } {
  const reading = models.get('spam-nb')!.success;
  if (reading.kind === 'absent') throw new Error(`absent: ${problem ?? reading.reason}`);
  const of = (badness: number) =>
    reading.levels.critical.find(observation => observation.badness === badness)?.count ?? 0;
  return { good: of(0), bad: of(1) };
}

interface Page {
  readonly address: string;
  counts(counts: Counts): void;
  /** Series besides. */
  also(series: readonly string[]): void;
  /** Another process with these counts answers from now on. */
  restart(counts: Counts): void;
  fail(failing: boolean): void;
  stop(): Promise<void>;
}

type Counts = Readonly<Record<'ok' | 'error', number>>;

async function startPage(): Promise<Page> {
  let shown: Counts = { ok: 0, error: 0 };
  let more: readonly string[] = [];
  let startedAt = Date.now() / 1000 - 3_600;
  let failing = false;
  const server = createServer((_, response) => {
    if (failing) return void response.writeHead(500).end();
    const series = Object.entries(shown).map(
      ([outcome, count]) =>
        `${counter}{gen_ai_request_model="spam-nb",ml_model_version="1",outcome="${outcome}"} ${count}`,
    );
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(
      [`# TYPE ${counter} counter`, ...series, ...more, `process_start_time_seconds ${startedAt}`, ''].join(
        '\n',
      ),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts(counts) {
      shown = counts;
    },
    also(series) {
      more = series;
    },
    restart(counts) {
      shown = counts;
      startedAt = Date.now() / 1000;
    },
    fail(now) {
      failing = now;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const configFor = (address: string) => `
global: { scrape_interval: 200ms, scrape_timeout: 200ms }
scrape_configs:
  - { job_name: models, static_configs: [{ targets: ['${address}'] }] }
`;

/** Waits until Prometheus holds this count. */
function scraped(outcome: string, count: number): Promise<void> {
  return holds(`${counter}{outcome="${outcome}"} == ${count}`);
}

async function holds(promql: string): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  const url = `${prometheus.url}/api/v1/query?query=${encodeURIComponent(promql)}`;
  for (;;) {
    const answer = (await (await fetch(url, { signal: deadline })).json()) as { data: { result: unknown[] } };
    if (answer.data.result.length > 0) return;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
