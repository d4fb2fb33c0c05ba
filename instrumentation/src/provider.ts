import {
  type ContextManager,
  createNoopMeter,
  logs as globalLogs,
  metrics as globalMetrics,
  type MeterProvider,
} from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceAttributesEnvDetector } from '@opentelemetry/resources';
import type { CollectionResult, MetricProducer, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import type { Settings } from './options.ts';
import { scopeName } from './record/producer.ts';

/** An OpenTelemetry SDK of our own: metrics only, for the application's own instruments. */
export interface OwnProvider {
  readonly meterProvider: MeterProvider;
  /** What was recorded through the provider, and by the producers. An observable that does not answer is left out. */
  readonly collect: () => Promise<CollectionResult>;
  readonly shutdown: () => Promise<void>;
}

/** The application's own observables are waited for as long; Prometheus gives up after ten seconds. */
const collectTimeoutMs = 3_000;

export function startProvider(
  { serviceName, globalProvider }: Pick<Settings, 'serviceName' | 'globalProvider'>,
  metricProducers: MetricProducer[] = [],
): OwnProvider {
  const exporter = new PrometheusExporter({ preventServerStart: true, metricProducers });
  const sdk = new NodeSDK({
    serviceName,
    // OTEL_RESOURCE_ATTRIBUTES only: asking the machine about itself costs start-up time and tells Prometheus nothing.
    resourceDetectors: [resourceAttributesEnvDetector],
    metricReaders: [exporter],
    // Empty lists, because what is left out falls back to exporters that send to localhost.
    spanProcessors: [],
    logRecordProcessors: [],
    instrumentations: [],
    textMapPropagator: null,
    // Keeping track of spans is the application's choice. The SDK takes null for nobody; its types do not say so.
    contextManager: null as unknown as ContextManager,
  });
  const { meterProvider, release } = startAndTakeProvider(sdk, globalProvider);
  return {
    meterProvider,
    collect: () => exporter.collect({ timeoutMillis: collectTimeoutMs }),
    shutdown: async () => {
      release();
      await sdk.shutdown();
    },
  };
}

/** The page as exporter-prometheus writes it. */
export function serialize(metrics: ResourceMetrics): string {
  return new PrometheusSerializer(undefined, false, undefined, false, true).serialize(metrics);
}

/** Whether the environment turns OpenTelemetry off, in the words of its specification. */
export function isDisabled(environment: NodeJS.ProcessEnv): boolean {
  return environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true';
}

/**
 * NodeSDK hands out its provider only by registering it globally. An application that has registered one before keeps
 * it; else ours stays if it may, so that the application's own instruments appear on the same page. Logs are never ours.
 */
function startAndTakeProvider(
  sdk: NodeSDK,
  mayStay: boolean,
): { meterProvider: MeterProvider; release: () => void } {
  const before = globalMetrics.getMeterProvider();
  globalMetrics.disable();
  const restoreLogs = setLogsAside();
  sdk.start();
  restoreLogs();
  const meterProvider = globalMetrics.getMeterProvider();
  if (!isUnset(before) || !mayStay) globalMetrics.disable();
  if (!isUnset(before)) globalMetrics.setGlobalMeterProvider(before);
  const release = () => {
    if (globalMetrics.getMeterProvider() === meterProvider) globalMetrics.disable();
  };
  return { meterProvider, release };
}

function setLogsAside(): () => void {
  const before = globalLogs.getLoggerProvider();
  globalLogs.disable();
  // What the API gives where nobody has registered is not exported.
  const isUnset = before.constructor === globalLogs.getLoggerProvider().constructor;
  return () => {
    globalLogs.disable();
    if (!isUnset) globalLogs.setGlobalLoggerProvider(before);
  };
}

function isUnset(provider: MeterProvider): boolean {
  return provider.getMeter(scopeName) === createNoopMeter();
}
