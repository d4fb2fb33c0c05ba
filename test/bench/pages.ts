import type { ServerResponse } from 'node:http';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { emptyResource } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { Histogram, Registry } from 'prom-client';
import { attributes, metrics, prometheusLabel, prometheusName } from '../../instrumentation/src/metrics.ts';
import { createBytes, writtenBytes } from '../../instrumentation/src/page/bytes.ts';
import { prometheusText } from '../../instrumentation/src/page/format.ts';
import { sendPage } from '../../instrumentation/src/page/send.ts';
import { createPageWriter } from '../../instrumentation/src/page/writer.ts';
import { createStore } from '../../instrumentation/src/record/store.ts';
import { createRejections } from '../../instrumentation/src/rejections.ts';
import { normal, seeded } from '../sim/random.ts';

/** A page of one histogram with sixteen bucket edges in many label sets. */
export interface PageContender {
  /** The whole page at once. */
  render(): Promise<Buffer>;
  /** The page to a scraper, as the contender's own server sends it. */
  send(response: ServerResponse): Promise<void>;
}

const metric = metrics.timeToFirstToken;
const measurementsEach = 20;

interface LabelSet {
  readonly labels: Readonly<Record<string, string>>;
  readonly seconds: readonly number[];
}

function labelSets(count: number): LabelSet[] {
  const random = seeded('pages', count);
  return Array.from({ length: count }, (_, i) => ({
    labels: {
      [attributes.operation]: 'chat',
      [attributes.provider]: 'example',
      [attributes.model]: `model-${i}`,
      [attributes.version]: '1',
    },
    seconds: Array.from({ length: measurementsEach }, () => 0.3 * Math.exp(1.2 * normal(random))),
  }));
}

function ours(count: number): PageContender {
  const store = createStore({ latencyThresholdsSeconds: [], maximumSeries: count });
  for (const { labels, seconds } of labelSets(count)) {
    const histogram = store.histogram('timeToFirstToken', labels);
    for (const value of seconds) histogram.record(value);
  }
  const writer = createPageWriter(store, createRejections(store));
  const nothingElse = { resource: emptyResource(), scopeMetrics: [] };
  return {
    async render() {
      const page = createBytes();
      for (const _ of writer.write(page, nothingElse, prometheusText));
      return writtenBytes(page);
    },
    send: response =>
      sendPage(response, prometheusText.contentType, page => writer.write(page, nothingElse, prometheusText)),
  };
}

function exporter(count: number): PageContender {
  const reader = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({
    readers: [reader],
    views: [{ meterName: 'bench', aggregationCardinalityLimit: count + 1 }],
  });
  const advice = { explicitBucketBoundaries: [...metric.edges] };
  const histogram = provider.getMeter('bench').createHistogram(metric.name, { advice });
  for (const { labels, seconds } of labelSets(count))
    for (const value of seconds) histogram.record(value, labels);
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);
  return rendered(async () => serializer.serialize((await reader.collect()).resourceMetrics));
}

function promClient(count: number): PageContender {
  const register = new Registry();
  const labelNames = metric.attributes.map(prometheusLabel);
  const buckets = [...metric.edges];
  const name = prometheusName(metric);
  const histogram = new Histogram({
    name,
    help: metric.description,
    buckets,
    labelNames,
    registers: [register],
  });
  for (const { labels, seconds } of labelSets(count)) {
    const renamed = Object.entries(labels).map(([label, value]) => [prometheusLabel(label), value]);
    for (const value of seconds) histogram.observe(Object.fromEntries(renamed), value);
  }
  return rendered(() => register.metrics());
}

function rendered(page: () => Promise<string>): PageContender {
  const render = async () => Buffer.from(await page());
  return { render, send: async response => void response.end(await render()) };
}

export const pages = {
  ours,
  'prom-client': promClient,
  'exporter-prometheus': exporter,
} as const satisfies Record<string, (count: number) => PageContender>;
