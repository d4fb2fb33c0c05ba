import { createNoopMeter, diag, type Meter } from '@opentelemetry/api';
import type { MetricProducer } from '@opentelemetry/sdk-metrics';
import type { Settings } from './options.ts';
import { type Endpoint, openEndpoint } from './page/endpoint.ts';
import { formatFor, prometheusText } from './page/format.ts';
import { sendPage } from './page/send.ts';
import { createPageWriter } from './page/writer.ts';
import { isDisabled, type OwnProvider, serialize, startProvider } from './provider.ts';
import { createOpenTelemetryRecorder } from './record/opentelemetry.ts';
import { createProducer, emptyProducer, scopeName } from './record/producer.ts';
import type { Recorder } from './record/recorder.ts';
import { createStore, type Store } from './record/store.ts';
import { createRejections, type Rejections } from './rejections.ts';

/** Where measurements are recorded and how they leave the process. */
export interface Output {
  readonly recorder: Recorder;
  readonly rejections: Rejections;
  readonly producer: MetricProducer;
  /** Undefined where no page of ours is served. */
  readonly endpoint: Endpoint | undefined;
  readonly close: () => Promise<void>;
}

export function openOutput(settings: Settings): Output {
  const { meterProvider, page } = settings;
  if (meterProvider !== undefined) return throughApi(meterProvider.getMeter(scopeName), settings);
  if (isDisabled(process.env)) return throughApi(createNoopMeter(), settings);
  const store = createStore(settings);
  const rejections = createRejections(store);
  const producer = createProducer(store);
  const output = { recorder: store, rejections, producer };
  if (page === 'none') return { ...output, endpoint: undefined, close: async () => {} };
  const served =
    page === 'own' ? serveOwnPage(store, rejections, settings) : serveExporterPage(producer, settings);
  return { ...output, ...served };
}

/** The application's provider is the application's to shut down. */
function throughApi(meter: Meter, { latencyThresholdsSeconds }: Settings): Output {
  const recorder = createOpenTelemetryRecorder(meter, latencyThresholdsSeconds);
  const rejections = createRejections(recorder);
  return { recorder, rejections, producer: emptyProducer, endpoint: undefined, close: async () => {} };
}

type ServedPage = Required<Pick<Output, 'endpoint' | 'close'>>;

function serveOwnPage(store: Store, rejections: Rejections, settings: Settings): ServedPage {
  const provider = startProvider(settings);
  const writer = createPageWriter(store, rejections);
  const endpoint = openEndpoint({
    ...settings,
    async answer(request, response) {
      const format = formatFor(request.headers.accept);
      const foreign = await collectFrom(provider);
      await sendPage(response, format.contentType, page => writer.write(page, foreign, format));
    },
  });
  return { endpoint, close: closing(endpoint, provider) };
}

function serveExporterPage(producer: MetricProducer, settings: Settings): ServedPage {
  const provider = startProvider(settings, [producer]);
  const endpoint = openEndpoint({
    ...settings,
    async answer(_request, response) {
      const text = serialize(await collectFrom(provider));
      response.writeHead(200, { 'content-type': prometheusText.contentType }).end(text);
    },
  });
  return { endpoint, close: closing(endpoint, provider) };
}

/** A failing callback of the application costs its own metric, not the page. */
async function collectFrom(provider: OwnProvider) {
  const { resourceMetrics, errors } = await provider.collect();
  for (const error of errors) diag.error('Collecting a metric failed', error);
  return resourceMetrics;
}

function closing(endpoint: Endpoint, provider: OwnProvider): () => Promise<void> {
  let closed: Promise<void> | undefined;
  const close = async () => {
    await endpoint.close();
    await provider.shutdown();
  };
  return () => {
    closed ??= close();
    return closed;
  };
}
