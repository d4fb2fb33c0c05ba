import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { MeterProvider } from '@opentelemetry/api';
import { defaultLatencyThresholdsSeconds } from './metrics.ts';

const pageKinds = ['own', 'exporter-prometheus', 'none'] as const;
export type PageKind = (typeof pageKinds)[number];

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
  /**
   * Who writes the metrics page: this package, without holding up requests (`own`, the default); OpenTelemetry's
   * exporter; or nobody, because a reader of the application's own takes `producer`.
   */
  readonly page?: PageKind;
  /** What a scraper has to show as `Authorization: Bearer …`. Default: anybody who can connect may read the page. */
  readonly bearerToken?: string;
  /** Serves the page over TLS: PEM, or the paths of PEM files. */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  /** Whether memory, processor time, event loop and GPUs are measured. Default: true. */
  readonly resources?: boolean;
  /** Series that one metric may have; label sets beyond it are refused and counted. Default: 20000. */
  readonly maximumSeries?: number;
  /** Requests that `model.remember` keeps, the oldest giving way, and for how long. Default: 100000, 86400 (a day). */
  readonly remember?: { readonly maximum?: number; readonly seconds?: number };
  /**
   * The application's own OpenTelemetry provider; then this package opens no metrics page and records through the
   * OpenTelemetry API. Faster: `page: 'none'` and `producer` for a reader of the provider.
   */
  readonly meterProvider?: MeterProvider;
}

export interface Settings {
  readonly serviceName: string;
  readonly host: string;
  readonly port: number;
  readonly latencyThresholdsSeconds: readonly number[];
  readonly page: PageKind;
  readonly bearerToken: string | undefined;
  readonly tls: { readonly key: Buffer; readonly cert: Buffer } | undefined;
  readonly resources: boolean;
  readonly maximumSeries: number;
  readonly remember: { readonly maximum: number; readonly seconds: number };
  readonly meterProvider: MeterProvider | undefined;
  /** Whether our provider becomes OpenTelemetry's global one where the application has none yet. */
  readonly globalProvider: boolean;
}

/** Fills in the environment and the defaults. Throws one TypeError that lists everything that is wrong. */
export function resolveOptions(options: InitOptions, environment: NodeJS.ProcessEnv): Settings {
  const { settings, problems } = readOptions(options, environment);
  if (problems.length > 0) throw new TypeError(`init() cannot start:\n${problems.join('\n')}`);
  return settings;
}

/** The settings are to be used only where there are no problems, each of which says what to do. */
export function readOptions(
  options: InitOptions,
  environment: NodeJS.ProcessEnv,
): { readonly settings: Settings; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const settings: Settings = {
    serviceName: options.serviceName ?? (environment.OTEL_SERVICE_NAME || 'model-server'),
    host: options.host ?? (environment.OTEL_EXPORTER_PROMETHEUS_HOST || '127.0.0.1'),
    port: options.port ?? Number(environment.OTEL_EXPORTER_PROMETHEUS_PORT || 9464),
    latencyThresholdsSeconds:
      options.latencyThresholdsSeconds ?? parseThresholds(environment.NEUROWEAVER_LATENCY_THRESHOLDS),
    page: options.page ?? 'own',
    bearerToken: options.bearerToken,
    tls: options.tls && readTls(options.tls, problems),
    resources: options.resources ?? true,
    maximumSeries: options.maximumSeries ?? 20_000,
    remember: { maximum: 100_000, seconds: 86_400, ...options.remember },
    meterProvider: options.meterProvider,
    globalProvider: true,
  };
  problems.push(...problemsOf(settings, environment));
  return { settings, problems };
}

function readTls(tls: Required<InitOptions>['tls'], problems: string[]): Settings['tls'] {
  try {
    const [key, cert] = [readPem('key', tls.key), readPem('cert', tls.cert)];
    createSecureContext({ key, cert });
    return { key, cert };
  } catch (error) {
    problems.push(
      `- tls cannot be used (${error}): give a key and its certificate, as PEM or as paths of PEM files`,
    );
    return undefined;
  }
}

function readPem(name: string, source: string | Buffer): Buffer {
  if (typeof source !== 'string') return source;
  try {
    return readFileSync(source);
  } catch (cause) {
    throw new Error(`${name} is ${source}, which cannot be read: ${cause}`, { cause });
  }
}

function parseThresholds(list: string | undefined): readonly number[] {
  if (list === undefined || list.trim() === '') return defaultLatencyThresholdsSeconds;
  return list.split(',').map(part => (part.trim() === '' ? Number.NaN : Number(part)));
}

function problemsOf(
  { port, latencyThresholdsSeconds, page, bearerToken, maximumSeries, remember }: Settings,
  environment: NodeJS.ProcessEnv,
): string[] {
  const problems: string[] = [];
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    problems.push(
      `- port is ${port}: give a whole number from 0 to 65535 ` +
        `(or set OTEL_EXPORTER_PROMETHEUS_PORT${now(environment.OTEL_EXPORTER_PROMETHEUS_PORT)})`,
    );
  }
  if (!latencyThresholdsSeconds.every(threshold => threshold > 0 && Number.isFinite(threshold))) {
    problems.push(
      `- latencyThresholdsSeconds is [${latencyThresholdsSeconds.join(', ')}]: give positive numbers of seconds ` +
        '(or set NEUROWEAVER_LATENCY_THRESHOLDS to a list such as 2,5' +
        `${now(environment.NEUROWEAVER_LATENCY_THRESHOLDS)})`,
    );
  }
  if (!pageKinds.includes(page))
    problems.push(`- page is ${JSON.stringify(page)}: give ${pageKinds.join(', ')}`);
  if (bearerToken === '') problems.push('- bearerToken is empty: give a secret, or leave it out');
  if (!(maximumSeries >= 1)) problems.push(`- maximumSeries is ${maximumSeries}: give a positive number`);
  if (!(Number.isInteger(remember.maximum) && remember.maximum >= 1 && remember.maximum <= mostRemembered))
    problems.push(
      `- remember.maximum is ${remember.maximum}: give a whole number from 1 to ${mostRemembered}`,
    );
  if (!(remember.seconds > 0))
    problems.push(`- remember.seconds is ${remember.seconds}: give a positive number`);
  return problems;
}

/** So that a value that came from the environment is found there. */
function now(variable: string | undefined): string {
  return variable === undefined ? '' : `, now ${JSON.stringify(variable)}`;
}

/** About what one Map can hold. */
const mostRemembered = 10_000_000;
