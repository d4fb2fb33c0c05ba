import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { GatewayDriver } from '../../controller/src/apply/driver.ts';
import { createDriver } from '../../controller/src/apply/drivers.ts';
import { startProcess } from '../../deploy/demo/processes.ts';
import { freePort, startHaproxy, startRedis } from '../support/servers.ts';
import { switchTo } from '../support/switching.ts';
import { startLoad } from '../support/wrk.ts';
import type { Benchmark } from './benchmarks.ts';
import { type Measure, type Result, sideBySide } from './side-by-side.ts';

export const switching: Benchmark = {
  about:
    'decision to first answer of the new target at HAProxy, under the load of wrk; peers: gateways with the relay kit, one that is told and one that subscribes to Redis',
  run: async progress => [await measure(progress)],
};

const rounds = 50;
const warmupSwitches = 5;
const loadConnections = 4;
/** Between switches the load runs undisturbed. */
const pauseMs = 50;
const route = 'mail-filter';
const targets = ['a', 'b'];

/** A gateway under load, how it is told, and where callers reach it. */
interface Gateway {
  readonly name: string;
  readonly driver: GatewayDriver;
  readonly url: string;
  stop(): Promise<void>;
}

async function measure(progress: (line: string) => void): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'relaycore-switching-'));
  const stops: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const started = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const running = await starting;
    stops.push(running.stop);
    return running;
  };
  try {
    const { addresses } = await started(startModels(folder));
    const redis = await started(startRedis({ config: '', folder: join(folder, 'redis') }));
    const haproxy = await started(startHaproxyGateway(folder, addresses));
    const told = await started(startToldGateway(folder, addresses));
    const subscribed = await started(startSubscribedGateway(folder, addresses, redis.url));
    return await compare(haproxy, [told, subscribed], progress);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function compare(
  ours: Gateway,
  peers: readonly Gateway[],
  progress: (line: string) => void,
): Promise<Result> {
  const contenders = [ours, ...peers].map(gateway => ({ gateway, figures: [] as number[] }));
  const loads = await Promise.all(contenders.map(({ gateway }) => startLoad(gateway.url, loadConnections)));
  const measures = contenders.map(({ gateway }) => switches(gateway));
  for (let i = 0; i < warmupSwitches; i++) await Promise.all(measures.map(each => each()));
  const [our, ...their] = measures.map((each, i) => noting(each, contenders[i]!.figures));
  const result = await sideBySide({
    name: 'switching',
    unit: 'ms',
    rounds,
    ours: our!,
    peers: Object.fromEntries(peers.map(({ name }, i) => [name, their[i]!])),
    onRound: round => round % 10 === 0 && progress(`switching: ${round} of ${rounds} switches`),
  });
  for (const [index, load] of loads.entries()) {
    const { gateway, figures } = contenders[index]!;
    const { requests, failed } = await load.stop();
    const slowest = Math.max(...figures).toFixed(1);
    progress(
      `switching: ${gateway.name} answered ${requests - failed} of ${requests} requests, the slowest switch took ${slowest} ms`,
    );
    if (failed > 0) throw new Error(`${failed} of ${requests} requests failed at ${gateway.name}`);
  }
  return result;
}

function noting(measure: Measure, figures: number[]): Measure {
  return async () => {
    const figure = await measure();
    figures.push(figure);
    return figure;
  };
}

/** Back and forth, one switch a round. */
function switches({ driver, url }: Gateway): Measure {
  let generation = 0;
  const ask = async () => (await fetch(url)).text();
  return async () => {
    await delay(pauseMs);
    generation += 1;
    return switchTo(targets[generation % 2]!, { driver, route, targets, generation, ask });
  };
}

const defaults = `defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
`;

/** The models behind both gateways: as fast as answers come, so that the gateways are what is measured. */
async function startModels(folder: string) {
  const ports = await Promise.all(targets.map(freePort));
  const frontends = targets.map(
    (target, i) =>
      `frontend ${target}\n  bind 127.0.0.1:${ports[i]}\n  http-request return status 200 content-type text/plain string ${target}\n`,
  );
  const { stop } = await startHaproxy({
    config: defaults + frontends.join(''),
    folder: join(folder, 'models'),
  });
  return { addresses: ports.map(port => `127.0.0.1:${port}`), stop };
}

async function startHaproxyGateway(folder: string, addresses: readonly string[]): Promise<Gateway> {
  const port = await freePort();
  const servers = targets.map(
    (target, i) => `  server ${target} ${addresses[i]} weight ${i === 0 ? 100 : 0}\n`,
  );
  const { url, stop } = await startHaproxy({
    config: `${defaults}frontend callers\n  bind 127.0.0.1:${port}\n  default_backend ${route}\nbackend ${route}\n${servers.join('')}`,
    folder: join(folder, 'haproxy'),
  });
  const driver = createDriver({ kind: 'haproxy', socket: new URL(url).host, servers: {} }, targets);
  return { name: 'haproxy', driver, url: `http://127.0.0.1:${port}/`, stop };
}

async function startToldGateway(folder: string, addresses: readonly string[]): Promise<Gateway> {
  const { url, stop } = await startRelayKit(folder, 'relaykit', addresses);
  const driver = createDriver({ kind: 'relaycore', url }, targets);
  return { name: 'relaykit', driver, url: `${url}/${route}`, stop };
}

async function startSubscribedGateway(
  folder: string,
  addresses: readonly string[],
  redis: string,
): Promise<Gateway> {
  const { url, stop } = await startRelayKit(folder, 'subscription', addresses, ['--follow', redis]);
  const driver = createDriver({ kind: 'document', redis, prefix: 'relaycore:route:' }, targets);
  return { name: 'subscription', driver, url: `${url}/${route}`, stop };
}

function startRelayKit(
  folder: string,
  name: string,
  addresses: readonly string[],
  more: readonly string[] = [],
) {
  return startProcess({
    name,
    command: [
      fileURLToPath(new URL('../../deploy/demo/gateway.ts', import.meta.url)),
      ...['--state', join(folder, `${name}.json`), '--stay-with-parent'],
      ...targets.flatMap((target, i) => ['--target', `${target}@1=http://${addresses[i]}`]),
      ...more,
    ],
    logFile: join(folder, `${name}.log`),
  });
}
