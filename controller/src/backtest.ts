import {
  balanceQueries,
  counterQueries,
  freshnessQueries,
  meaningOf,
  type Policy,
  resourceQueries,
} from '@relaycore/rules';
import type { ModelState } from './assess/assess.ts';
import { type GaugeStates, withGauges } from './assess/gauges.ts';
import { incidentOf } from './assess/incident.ts';
import { assessModels } from './assess/models.ts';
import { decide } from './decide/decide.ts';
import { allTo } from './decide/weights.ts';
import { latelyOf } from './plan.ts';
import type { PrometheusClient } from './read/client.ts';
import type { CounterSample } from './read/increments.ts';
import { modelIds } from './read/readings.ts';
import { counted, type RawTick, readTick, type TickMemory } from './read/tick.ts';
import { isLeaving } from './record/switch-events.ts';
import { type Change, isChange, type ProbeResult, type RouteState } from './types.ts';

export interface BacktestOptions {
  readonly policy: Policy;
  readonly client: PrometheusClient;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly until: number;
  readonly onProgress?: (at: number) => void;
}

/** A switch that the policy would have made, with the evidence it would have rested on. */
export interface BacktestSwitch {
  readonly at: number;
  readonly route: string;
  readonly change: Change;
}

/** The past is read in pieces of this length, so that memory stays flat. */
const pieceMs = 10 * 60_000;

/**
 * Replays a policy over what Prometheus still holds: the controller's own functions on the same counters, tick by
 * tick, so that a policy can be tried before it is trusted. The traffic is the traffic that was: a switch that did not
 * really happen moves nobody. Probes of the past are unknown, so a target passes them while its server was scraped.
 */
export async function backtest(options: BacktestOptions): Promise<readonly BacktestSwitch[]> {
  const { policy, from, until, onProgress } = options;
  const { tickMs, ingestionLagMs } = policy.detection;
  const replay = createReplay(policy, from);
  for (let at = Math.ceil(from / tickMs) * tickMs - ingestionLagMs; at <= until; ) {
    const ticks = Math.max(1, Math.floor(Math.min(pieceMs, until - at) / tickMs) + 1);
    for (const tick of await readPiece(options, at, ticks)) replay(tick);
    at += ticks * tickMs;
    onProgress?.(Math.min(at, until));
  }
  return replay.switches;
}

async function readPiece(
  { policy, client }: BacktestOptions,
  from: number,
  ticks: number,
): Promise<RawTick[]> {
  const { tickMs } = policy.detection;
  const until = from + (ticks - 1) * tickMs;
  const queries = counterQueries(policy);
  const resources = [...resourceQueries(policy.resources), ...balanceQueries(policy)];
  const [scrapedAt, startedAt, counters, gauges] = await Promise.all([
    client.range('freshness', freshnessQueries.scrapedAt, from, until, tickMs),
    client.range('freshness', freshnessQueries.processStart, from, until, tickMs),
    Promise.all(queries.map(({ name, promql }) => client.range(name, promql, from, until, tickMs))),
    Promise.all(resources.map(({ name, promql }) => client.range(name, promql, from, until, tickMs))),
  ]);
  return Array.from({ length: ticks }, (_, i) => {
    const at = from + i * tickMs;
    return {
      at,
      scrapedAt: scrapedAt.get(at) ?? [],
      startedAt: startedAt.get(at) ?? [],
      counters: counters.flatMap((byTick, i) => counted(queries[i]!, byTick.get(at) ?? [])),
      gauges: new Map(resources.map(({ name }, i) => [name, gauges[i]!.get(at) ?? []])),
      failures: new Map(),
    };
  });
}

/** The loop's rounds on recorded ticks, with a route state of its own and nobody to tell. */
function createReplay(policy: Policy, from: number) {
  const switches: BacktestSwitch[] = [];
  const models = new Map<string, ModelState>();
  const routes = new Map(Object.values(policy.routes).map(route => [route.name, firstState(route, from)]));
  const servers = serverWatch(policy);
  let gauges: GaugeStates = new Map();
  let memory: TickMemory | undefined;

  function replay(raw: RawTick): void {
    const read = readTick(policy, memory, 'backtest', raw);
    memory = read.memory;
    const readings = { at: raw.at, models: read.models, resources: read.resources };
    const assessed = assessModels(policy, models, readings, routes);
    const withResources = withGauges(assessed, gauges, { policy, readings });
    gauges = withResources.states;
    const { assessments } = withResources;
    const incident = incidentOf(assessments, policy.incidents);
    const probes = servers.probes(raw);
    for (const route of Object.values(policy.routes)) {
      const state = routes.get(route.name)!;
      const decision = decide({
        route,
        state,
        assessments,
        probes,
        now: raw.at,
        ...(read.latencies && { latencies: read.latencies }),
        freshMs: policy.detection.tickMs,
        ...(incident && policy.incidents.holdSwitches && { incident }),
        lately: latelyOf(policy, modelsLeft(switches, raw.at - policy.switching.withinMs)),
      });
      if (!isChange(decision)) continue;
      switches.push({ at: raw.at, route: route.name, change: decision });
      routes.set(route.name, {
        ...state,
        ...decision.next,
        generation: state.generation + 1,
        updatedAt: raw.at,
      });
    }
  }

  return Object.assign(replay, { switches: switches as readonly BacktestSwitch[] });
}

function modelsLeft(switches: readonly BacktestSwitch[], since: number): ReadonlySet<string> {
  const lately = switches.slice(switches.findLastIndex(({ at }) => at <= since) + 1);
  return new Set(lately.filter(({ change }) => isLeaving(change)).map(({ change }) => change.from));
}

function firstState(route: Policy['routes'][string], at: number): RouteState {
  return {
    route: route.name,
    generation: 0,
    weights: allTo(route.targets[0], route.targets),
    phase: { kind: 'primary', since: at },
    backoff: { level: 0 },
    updatedAt: at,
  };
}

/** Which models' own servers were scraped; one that never was is seen through a gateway alone and counts as there. */
function serverWatch(policy: Policy) {
  const idOf = modelIds(policy);
  const seen = new Set<string>();
  return {
    probes({ at, counters }: RawTick): ReadonlyMap<string, ProbeResult> {
      const present = new Set(counters.flatMap(sample => serverModel(sample, idOf) ?? []));
      for (const model of present) seen.add(model);
      return new Map(
        Object.keys(policy.models).map(model => [
          model,
          present.has(model) || !seen.has(model)
            ? { kind: 'passed', at, durationMs: 0 }
            : { kind: 'failed', at, reason: 'its server was not scraped', failures: 1, since: at },
        ]),
      );
    },
  };
}

function serverModel(sample: CounterSample, idOf: ReturnType<typeof modelIds>): string | undefined {
  const meaning = meaningOf(sample);
  return meaning?.vantage === 'server' ? idOf(meaning) : undefined;
}
