import {
  createNoopMeter,
  diag,
  metrics as globalMetrics,
  type Meter,
  type MeterProvider,
} from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceAttributesEnvDetector } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';

/** An OpenTelemetry SDK of our own: metrics only. */
export interface OwnProvider {
  readonly meter: Meter;
  /** Writes the current values in the Prometheus text format. */
  readonly renderPage: () => Promise<string>;
  readonly shutdown: () => Promise<void>;
}

/** The instrumentation scope of every metric of this package. */
export const scopeName = '@neuroweaver/instrumentation';

/**
 * Series one metric may have, where the SDK stops at 2000: with every outcome at zero from the start, a gateway in
 * front of 250 targets would be there. What lies beyond loses its labels (`otel_metric_overflow="true"`).
 */
const seriesLimit = 20_000;

export function startProvider(serviceName: string): OwnProvider {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const sdk = new NodeSDK({
    serviceName,
    // OTEL_RESOURCE_ATTRIBUTES only: asking the machine about itself costs start-up time and tells Prometheus nothing.
    resourceDetectors: [resourceAttributesEnvDetector],
    metricReaders: [exporter],
    views: [{ meterName: scopeName, aggregationCardinalityLimit: seriesLimit }],
    // Empty lists, because what is left out falls back to exporters that send to localhost.
    spanProcessors: [],
    logRecordProcessors: [],
    instrumentations: [],
    textMapPropagator: null,
  });
  const { meterProvider, release } = startAndTakeProvider(sdk);
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);
  return {
    meter: meterProvider.getMeter(scopeName),
    renderPage: async () => serializer.serialize(await collect(exporter)),
    shutdown: async () => {
      release();
      await sdk.shutdown();
    },
  };
}

/** Whether the environment turns OpenTelemetry off, in the words of its specification. */
export function isDisabled(environment: NodeJS.ProcessEnv): boolean {
  return environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true';
}

/**
 * NodeSDK hands out its provider only by registering it globally. An application that has registered one before
 * keeps it; else ours stays, so that the application's own instruments appear on the same page.
 */
function startAndTakeProvider(sdk: NodeSDK): { meterProvider: MeterProvider; release: () => void } {
  const before = globalMetrics.getMeterProvider();
  globalMetrics.disable();
  sdk.start();
  const meterProvider = globalMetrics.getMeterProvider();
  if (!isUnset(before)) {
    globalMetrics.disable();
    globalMetrics.setGlobalMeterProvider(before);
  }
  const release = () => {
    if (globalMetrics.getMeterProvider() === meterProvider) globalMetrics.disable();
  };
  return { meterProvider, release };
}

function isUnset(provider: MeterProvider): boolean {
  return provider.getMeter(scopeName) === createNoopMeter();
}

/** A failing callback of the application costs its own metric, not the page. */
async function collect(exporter: PrometheusExporter) {
  const { resourceMetrics, errors } = await exporter.collect();
  for (const error of errors) diag.error('Collecting a metric failed', error);
  return resourceMetrics;
}
