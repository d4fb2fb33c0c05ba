import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { samplesOf } from '../test/page.ts';
import { init } from './index.ts';
import {
  edgesWithThresholds,
  type MetricDefinition,
  metrics,
  prometheusLabel,
  prometheusName,
} from './metrics.ts';

const gpuFolder = fileURLToPath(new URL('../test/gpu', import.meta.url));

test('thresholds become edges of durations, in order and once', () => {
  const edges = edgesWithThresholds(metrics.requestDuration, [5, 2, 0.02]);
  expect(edges).toEqual([...edges].sort((left, right) => left - right));
  expect(edges).toHaveLength(metrics.requestDuration.edges.length + 2);
  expect(edges).toEqual(expect.arrayContaining([2, 5]));
});

test('thresholds leave the edges of scores alone', () => {
  expect(edgesWithThresholds(metrics.evaluationScore, [2])).toEqual(metrics.evaluationScore.edges);
});

/** The names and labels here are what rules and dashboards ask for, so they must be what the page says. */
test('the page has every metric with its name, type, labels and edges, and no other', async () => {
  const page = await pageWithEveryMetric();
  const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  const defined: readonly MetricDefinition[] = Object.values(metrics);
  const expected = defined.map(metric => `${prometheusName(metric)} ${metric.kind}`);
  expect(types.toSorted()).toEqual([...expected, 'target_info gauge'].toSorted());

  for (const metric of defined) {
    const suffix = metric.kind === 'histogram' ? '_bucket' : '';
    const samples = samplesOf(page, prometheusName(metric) + suffix);
    const labels = new Set(samples.flatMap(sample => Object.keys(sample.labels)));
    const edges = new Set(samples.map(sample => sample.labels.le).filter(edge => edge !== undefined));
    labels.delete('le');
    expect([...labels].toSorted(), metric.name).toEqual(metric.attributes.map(prometheusLabel).toSorted());
    const expectedEdges = metric.edges && [...edgesWithThresholds(metric, [0.3]).map(String), '+Inf'];
    expect([...edges], metric.name).toEqual(expectedEdges ?? []);
  }
});

async function pageWithEveryMetric(): Promise<string> {
  vi.stubEnv('PATH', `${gpuFolder}:${process.env.PATH}`);
  const ml = init({ port: 0, latencyThresholdsSeconds: [0.3] });
  const model = ml.model({ name: 'spam-v1', version: '1', operation: 'classify', provider: 'example' });
  const ticket = model.start();
  model.begin(ticket);
  model.fail(ticket, new Error('one'));
  model.evaluate('accuracy', 1);
  model.feedback(1);
  model.judge('helpfulness', () => 1);
  const gateway = ml.gateway();
  gateway.attempt({
    route: 'chat',
    model: 'spam-v1',
    version: '1',
    outcome: 'ok',
    retried: false,
    seconds: 1,
  });
  gateway.event({ route: 'chat', model: 'spam-v1', version: '1', event: 'spilled' });
  gateway.observeRoutes(() => [{ route: 'chat', generation: 1, weights: { 'spam-v1': 10_000 } }]);
  await ml.ready;
  const page = await pageWith(ml.endpoint!, [/^hw_gpu_utilization\{/m, /^nodejs_eventloop_delay_p99 /m]);
  await ml.shutdown();
  vi.unstubAllEnvs();
  return page;
}

/** The first page on which all of these stand: some are measured beside the event loop. */
async function pageWith(endpoint: string, lines: readonly RegExp[]): Promise<string> {
  for (;;) {
    const page = await (await fetch(endpoint)).text();
    if (lines.every(line => line.test(page))) return page;
  }
}
