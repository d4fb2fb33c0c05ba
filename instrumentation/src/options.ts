import type { MeterProvider } from '@opentelemetry/api';
import { defaultLatencyThresholdsSeconds } from './metrics.ts';

export interface InitOptions {
  /** Names the process in `target_info`. Default: OTEL_SERVICE_NAME, else `model-server`. */
  readonly serviceName?: string;
  /** Where the metrics page listens. Default: OTEL_EXPORTER_PROMETHEUS_HOST, else 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free port. Default: OTEL_EXPORTER_PROMETHEUS_PORT, else 9464. */
  readonly port?: number;
  /**
   * Latency thresholds of the policy, in seconds: durations get a bucket edge at each, or they could not be counted.
   * Default: NEUROWEAVER_LATENCY_THRESHOLDS (`2,5`), else 2 and 5.
   */
  readonly latencyThresholdsSeconds?: readonly number[];
  /** The application's own OpenTelemetry provider; then this package opens no metrics page. */
  readonly meterProvider?: MeterProvider;
}

export interface Settings {
  readonly serviceName: string;
  readonly host: string;
  readonly port: number;
  readonly latencyThresholdsSeconds: readonly number[];
  readonly meterProvider: MeterProvider | undefined;
}

/** Fills in the environment and the defaults. Throws one TypeError that lists everything that is wrong. */
export function resolveOptions(options: InitOptions, environment: NodeJS.ProcessEnv): Settings {
  const settings: Settings = {
    serviceName: options.serviceName ?? (environment.OTEL_SERVICE_NAME || 'model-server'),
    host: options.host ?? (environment.OTEL_EXPORTER_PROMETHEUS_HOST || '127.0.0.1'),
    port: options.port ?? Number(environment.OTEL_EXPORTER_PROMETHEUS_PORT || 9464),
    latencyThresholdsSeconds:
      options.latencyThresholdsSeconds ?? parseThresholds(environment.NEUROWEAVER_LATENCY_THRESHOLDS),
    meterProvider: options.meterProvider,
  };
  const problems = problemsOf(settings);
  if (problems.length > 0) throw new TypeError(`init() cannot start:\n${problems.join('\n')}`);
  return settings;
}

function parseThresholds(list: string | undefined): readonly number[] {
  if (list === undefined || list.trim() === '') return defaultLatencyThresholdsSeconds;
  return list.split(',').map(part => (part.trim() === '' ? Number.NaN : Number(part)));
}

function problemsOf({ port, latencyThresholdsSeconds }: Settings): string[] {
  const problems: string[] = [];
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    problems.push(
      `- port is ${port}: give a whole number from 0 to 65535 (or set OTEL_EXPORTER_PROMETHEUS_PORT)`,
    );
  }
  if (!latencyThresholdsSeconds.every(threshold => threshold > 0 && Number.isFinite(threshold))) {
    problems.push(
      `- latencyThresholdsSeconds is [${latencyThresholdsSeconds.join(', ')}]: give positive numbers of seconds ` +
        '(or set NEUROWEAVER_LATENCY_THRESHOLDS to a list such as 2,5)',
    );
  }
  return problems;
}
