import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startPrometheus } from '../../test/support/servers.ts';
import { type Instrumentation, init, type Model } from './index.ts';

let folder: string;
let ml: Instrumentation;
let model: Model;
let prometheus: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neuroweaver-scrape-'));
  ml = init({ serviceName: 'spam-v1', port: 0 });
  model = ml.model({ name: 'spam-v1', version: '1', operation: 'classify', provider: 'example' });
  await ml.ready;
  const config = `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: models
    static_configs: [{ targets: ['${new URL(ml.endpoint!).host}'] }]
`;
  prometheus = await startPrometheus({ config, folder });
});
afterAll(async () => {
  await prometheus?.stop();
  await ml?.shutdown();
  await rm(folder, { recursive: true, force: true });
});

test('promtool finds nothing to complain about on the page', async () => {
  record();
  const page = await (await fetch(ml.endpoint!)).text();
  const promtool = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const closed = once(promtool, 'close');
  const complaints: string[] = [];
  promtool.stdout.on('data', chunk => complaints.push(String(chunk)));
  promtool.stderr.on('data', chunk => complaints.push(String(chunk)));
  promtool.stdin.end(page);
  const [code] = await closed;
  expect(complaints.join('')).toBe('');
  expect(code).toBe(0);
});

test('Prometheus scrapes the page, and sees the first failure because its counter stood at zero', async () => {
  const refused = 'ml_server_requests_total{outcome="error", error_type="connection_refused"}';
  expect(await untilAnswered(refused, value => value === 0)).toBe(0);
  model.fail(model.start(), { code: 'ECONNREFUSED' });
  expect(await untilAnswered(`increase(${refused}[1m])`, value => value > 0)).toBeGreaterThan(0);
});

test('the mean score can be asked back from the bucket counts alone', async () => {
  record();
  // For scores on the edges 0, 0.1 … 1 the mean is 1 − 0.1 × the share at or below each edge but the last, summed.
  const atOrBelow = 'sum(ml_evaluation_score_bucket{le!~"1|1[.]0|[+]Inf"})';
  const mean = `1 - 0.1 * ${atOrBelow} / sum(ml_evaluation_score_bucket{le="+Inf"})`;
  expect(await untilAnswered(mean, value => !Number.isNaN(value))).toBeCloseTo(0.6, 6);
});

test('the process start is what tells a restart from a counter reset', async () => {
  const startSeconds = await untilAnswered('process_start_time_seconds', () => true);
  expect(startSeconds).toBeCloseTo(performance.timeOrigin / 1000, 2);
});

/** An answered request and scores with a mean of 0.6. */
function record(): void {
  model.end(model.start());
  model.evaluate('accuracy', 0.2);
  model.evaluate('accuracy', 1);
}

const queryPauseMs = 100;
const queryDeadlineMs = 20_000;

/** The first answer to the query that is accepted. */
async function untilAnswered(query: string, accept: (value: number) => boolean): Promise<number> {
  const deadline = AbortSignal.timeout(queryDeadlineMs);
  let last: number | undefined;
  while (!deadline.aborted) {
    last = await ask(query);
    if (last !== undefined && accept(last)) return last;
    await delay(queryPauseMs);
  }
  throw new Error(`Prometheus gave no acceptable answer to ${query} within ${queryDeadlineMs} ms: ${last}`);
}

async function ask(query: string): Promise<number | undefined> {
  const url = `${prometheus.url}/api/v1/query?${new URLSearchParams({ query })}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  const answer = (await response.json()) as { data: { result: { value: [number, string] }[] } };
  const [first] = answer.data.result;
  return first && Number(first.value[1]);
}
