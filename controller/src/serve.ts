import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatProblems, loadPolicy, type Policy } from '@relaycore/rules';
import type { Logger } from 'pino';
import { createApi } from './api/app.ts';
import { createDriver } from './apply/drivers.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createLoop, type Loop } from './loop.ts';
import { startProber } from './read/probes.ts';
import { prometheusReader } from './read/prometheus.ts';
import { openDatabase } from './record/database.ts';
import { createTelemetry } from './telemetry.ts';

export interface Controller {
  readonly url: string;
  readonly loop: Loop;
  /** Finishes the round in flight, then closes everything. */
  stop(): Promise<void>;
}

/** Puts the parts together and starts them. */
export async function serve(config: Config, policy: Policy, log: Logger): Promise<Controller> {
  const clock = systemClock;
  const database = await openDatabase(config.database);
  log.info({ database: database.kind }, 'database ready');
  let loop: Loop | undefined;
  const telemetry = createTelemetry(() => loop?.status());
  const reader = prometheusReader({
    url: config.prometheusUrl,
    timeoutMs: Math.max(1000, Math.min(10_000, policy.detection.tickMs * 2)),
    onQuery: telemetry.queried,
  });
  const prober = startProber(() => policy, clock.now, telemetry.looked);
  const drivers = new Map(
    Object.values(policy.routes).map(route => [route.name, createDriver(route.driver, route.targets)]),
  );
  loop = createLoop({ policy, reader, prober, drivers, database, clock, telemetry, log });
  const api = createApi({
    policy,
    loop,
    database,
    clock,
    prober,
    telemetry,
    log,
    ...(config.token !== undefined && { token: config.token }),
  });
  const closeParts = async () => {
    await prober.stop();
    for (const driver of drivers.values()) await driver.close();
    await telemetry.close();
    await database.close();
  };
  const server = createServer(api);
  await listen(server, config).catch(async cause => {
    await closeParts();
    const where = `${config.host}:${config.port}`;
    throw new Error(`the API cannot be served at ${where}; free the port or choose another one`, { cause });
  });
  const stopping = new AbortController();
  const running = loop.run(stopping.signal);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    loop,
    async stop() {
      stopping.abort();
      await running;
      await new Promise(resolve => {
        server.close(resolve);
        server.closeAllConnections();
      });
      await closeParts();
    },
  };
}

function listen(server: Server, { host, port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

/** Reads and checks the policy file; throws with every problem and its remedy. */
export async function readPolicy(file: string, environment: NodeJS.ProcessEnv): Promise<Policy> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw new Error(`the policy file ${file} cannot be read: ${(error as Error).message}`);
  });
  const loaded = loadPolicy(text, environment);
  if (loaded.kind === 'ok') return loaded.policy;
  throw new Error(
    `the policy ${file} is refused, ${loaded.problems.length} problem(s):\n${formatProblems(loaded.problems)}`,
  );
}
