import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
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
  const prober = startProber(() => policy, clock.now);
  const drivers = new Map(
    Object.values(policy.routes).map(route => [route.name, createDriver(route.driver)]),
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
  const server = createServer(api);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
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
      await prober.stop();
      await new Promise(resolve => {
        server.close(resolve);
        server.closeAllConnections();
      });
      for (const driver of drivers.values()) await driver.close();
      await telemetry.close();
      await database.close();
    },
  };
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
