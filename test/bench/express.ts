import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, startProcess } from '../../deploy/demo/processes.ts';
import { measureLoad } from '../support/wrk.ts';
import type { Benchmark } from './benchmarks.ts';
import { measuredInChild } from './child.ts';
import type { ExpressContender } from './express-contenders.ts';
import { type Measure, type Result, sideBySide } from './side-by-side.ts';

export const express: Benchmark = {
  about:
    'Express 5 under the load of wrk, bare and with each telemetry: processor time and time of a request, 99th percentile; what the middleware adds',
  run: async progress => [...(await underLoad(progress)), await added(progress)],
};

const rounds = 15;
const load = { connections: 16, seconds: 2 };
const peers = ['bare', 'auto-instrumentation', 'sdk-metrics', 'prom-client'] as const;
const contenders = ['ours', ...peers] as const;

/** What one load of one contender showed. Times of one request, so that bare / ours is ours / bare in requests. */
interface Figures {
  readonly wallUs: number;
  /** Processor time of the server's process: what else the machine does is left out. */
  readonly processorUs: number;
  readonly p99Ms: number;
}

/** All figures from the same loads. */
async function underLoad(progress: (line: string) => void): Promise<readonly Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'relaycore-express-'));
  try {
    return await compare(folder, progress);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(folder: string, progress: (line: string) => void): Promise<readonly Result[]> {
  const figures = new Map<ExpressContender, Figures[]>(contenders.map(name => [name, []]));
  const first = (name: ExpressContender) => async () => {
    const found = await measureNew(name, folder);
    figures.get(name)!.push(found);
    return found.processorUs;
  };
  const again = (name: string, unit: string, figure: keyof Figures) =>
    sideBySide({ name, unit, ...sides(contender => replayed(figures.get(contender)!, figure)) });
  const onRound = (round: number) => progress(`express: ${round} of ${rounds} rounds`);
  return [
    await sideBySide({ name: 'express_processor', unit: 'us', ...sides(first), onRound }),
    await again('express_request', 'us', 'wallUs'),
    await again('express_p99', 'ms', 'p99Ms'),
  ];
}

/** Round by round what was found before. */
function replayed(found: readonly Figures[], figure: keyof Figures): Measure {
  const rounds = found.values();
  return () => rounds.next().value![figure];
}

/** In a process of its own each time: where the code of one comes to lie makes a tenth of its speed. */
async function measureNew(name: ExpressContender, folder: string): Promise<Figures> {
  const server = await startServer(name, folder);
  try {
    await measureLoad(`${server.url}/v1/chat`, load);
    return await measure(server.url);
  } finally {
    await server.stop();
  }
}

async function measure(url: string): Promise<Figures> {
  const processorUs = async () => Number(await (await fetch(`${url}/processor-us`)).text());
  const before = await processorUs();
  const { requests, requestsPerSecond, p99Ms } = await measureLoad(`${url}/v1/chat`, load);
  return { wallUs: 1e6 / requestsPerSecond, processorUs: ((await processorUs()) - before) / requests, p99Ms };
}

function sides(of: (name: ExpressContender) => Measure) {
  return {
    rounds,
    ours: of('ours'),
    peers: Object.fromEntries(peers.map(name => [name, of(name)])),
  };
}

function startServer(name: ExpressContender, folder: string): Promise<Running> {
  return startProcess({
    name,
    command: [fileURLToPath(new URL('express-server.ts', import.meta.url)), name],
    logFile: join(folder, `${name}.log`),
  });
}

const hookRounds = 3;

/** The automatic instrumentation has no hooks that could be timed alone. */
function added(progress: (line: string) => void): Promise<Result> {
  const script = fileURLToPath(new URL('express-hooks.ts', import.meta.url));
  const of = (name: ExpressContender) => () => measuredInChild(script, [name]);
  return sideBySide({
    name: 'express_added_p99',
    unit: 'us',
    rounds: hookRounds,
    ours: of('ours'),
    peers: { 'sdk-metrics': of('sdk-metrics'), 'prom-client': of('prom-client') },
    onRound: round => progress(`express_added_p99: ${round} of ${hookRounds} rounds`),
  });
}
