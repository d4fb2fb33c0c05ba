import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compilePolicy, formatProblems, loadPolicy } from '@relaycore/rules';
import { stringify } from 'yaml';
import {
  freePort,
  type RunningServer,
  startAlertmanager,
  startPrometheus,
} from '../../test/support/servers.ts';
import { type Running, startProcess } from './processes.ts';

/** Everything that runs in the demo besides the client: real servers, each a process of its own. */
export interface Stack {
  readonly primary: Running;
  readonly backup: Running;
  readonly gateway: Running;
  controller(): Running;
  prometheus(): RunningServer;
  readonly alertmanager: RunningServer;
  readonly folder: string;
  /** What fills the ${NAMES} of the demo's policy. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where each model takes its labels. */
  readonly labelUrls: Readonly<Record<string, string>>;
  startPrimaryAgain(): Promise<void>;
  startPrometheusAgain(): Promise<void>;
  startControllerAgain(): Promise<void>;
  stop(): Promise<void>;
}

export interface StackOptions {
  /** Logs and data of this run. */
  readonly folder: string;
  /** Trained models. */
  readonly cacheFolder: string;
  readonly webhookUrl: string;
  /** Who moves the route: the controller, unless it has to ask. */
  readonly mode?: 'auto' | 'approve';
  readonly onProgress: (line: string) => void;
}

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const policyFile = source('policy.yml');

export async function startStack(options: StackOptions): Promise<Stack> {
  const started: { stop(): Promise<void> }[] = [];
  const keep = <T extends { stop(): Promise<void> }>(server: T): T => {
    started.unshift(server);
    return server;
  };
  const stop = async () => {
    for (const server of started) await server.stop();
  };
  try {
    return await startAll(options, keep, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

type Keep = <T extends { stop(): Promise<void> }>(server: T) => T;

async function startAll(
  { folder, cacheFolder, webhookUrl, mode = 'auto', onProgress }: StackOptions,
  keep: Keep,
  stop: () => Promise<void>,
): Promise<Stack> {
  await mkdir(folder, { recursive: true });
  const logFile = (name: string) => join(folder, `${name}.log`);
  const ports = {
    v1: await freePort(),
    v1Metrics: await freePort(),
    v2Metrics: await freePort(),
    gateway: await freePort(),
    gatewayMetrics: await freePort(),
    controller: await freePort(),
  };

  const startModel = (model: string, version: string, port: number, metricsPort: number) =>
    startProcess({
      name: model,
      logFile: logFile(model),
      command: [
        source('model-server.ts'),
        '--model',
        model,
        '--version',
        version,
        '--port',
        `${port}`,
        '--metrics-port',
        `${metricsPort}`,
        '--cache',
        cacheFolder,
        '--latency-thresholds',
        '0.08,0.16',
        '--stay-with-parent',
      ],
    });

  onProgress('two model servers, each with @neuroweaver/instrumentation');
  const [primary, backup] = await Promise.all([
    startModel('spam-v1', '1', ports.v1, ports.v1Metrics).then(keep),
    startModel('spam-v2', '2', 0, ports.v2Metrics).then(keep),
  ]);
  onProgress('a gateway that embeds the relay kit');
  const gateway = keep(
    await startProcess({
      name: 'gateway',
      logFile: logFile('gateway'),
      command: [
        source('gateway.ts'),
        '--port',
        `${ports.gateway}`,
        '--metrics-port',
        `${ports.gatewayMetrics}`,
        '--state',
        join(folder, 'routes.json'),
        '--target',
        `spam-v1@1=${primary.url}`,
        '--target',
        `spam-v2@2=${backup.url}`,
        '--latency-thresholds',
        '0.08,0.16',
        '--stay-with-parent',
      ],
    }),
  );

  const environment = {
    SPAM_V1_URL: primary.url,
    SPAM_V2_URL: backup.url,
    GATEWAY_URL: gateway.url,
    WEBHOOK_URL: webhookUrl,
    DEMO_MODE: mode,
    CONTROLLER_URL: `http://127.0.0.1:${ports.controller}`,
  };
  const compiled = await compileDemoPolicy(environment);
  onProgress('Alertmanager and Prometheus, with the rules compiled from deploy/demo/policy.yml');
  const alertmanager = keep(await startAlertmanager({ config: compiled['alertmanager.yml']!, folder }));
  for (const [name, text] of Object.entries(compiled))
    if (name.endsWith('.rules.yml')) await writeFile(join(folder, name), text);
  const prometheusConfig = scrapeConfig(alertmanager.url, {
    models: [ports.v1Metrics, ports.v2Metrics],
    gateway: [ports.gatewayMetrics],
    controller: [ports.controller],
  });
  let prometheus = keep(await startPrometheus({ config: prometheusConfig, folder }));

  const startController = () =>
    startProcess({
      name: 'controller',
      logFile: logFile('controller'),
      environment,
      command: [
        '--import',
        source('stay-with-parent.ts'),
        source('../../controller/src/main.ts'),
        'serve',
        '--policy',
        policyFile,
        '--prometheus',
        prometheus.url,
        '--data',
        join(folder, 'database'),
        '--port',
        `${ports.controller}`,
      ],
    });
  onProgress('the controller, on its embedded database');
  let controller = keep(await startController());

  return {
    primary,
    backup,
    gateway,
    alertmanager,
    folder,
    environment,
    labelUrls: { 'spam-v1': `${primary.url}/labels`, 'spam-v2': `${backup.url}/labels` },
    controller: () => controller,
    prometheus: () => prometheus,
    async startPrimaryAgain() {
      keep(await startModel('spam-v1', '1', ports.v1, ports.v1Metrics));
    },
    async startPrometheusAgain() {
      prometheus = keep(
        await startPrometheus({
          config: prometheusConfig,
          folder,
          port: Number(new URL(prometheus.url).port),
        }),
      );
    },
    async startControllerAgain() {
      controller = keep(await startController());
    },
    stop,
  };
}

async function compileDemoPolicy(
  environment: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const loaded = loadPolicy(await readFile(policyFile, 'utf8'), environment);
  if (loaded.kind === 'refused')
    throw new Error(`${policyFile} is refused:\n${formatProblems(loaded.problems)}`);
  return compilePolicy(loaded.policy);
}

/** Scrapes and evaluates every second, so that the story fits into minutes. */
function scrapeConfig(alertmanagerUrl: string, jobs: Readonly<Record<string, readonly number[]>>): string {
  return stringify({
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['*.rules.yml'],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(alertmanagerUrl).host] }] }] },
    scrape_configs: Object.entries(jobs).map(([job, ports]) => ({
      job_name: job,
      static_configs: [{ targets: ports.map(port => `127.0.0.1:${port}`) }],
    })),
  });
}
