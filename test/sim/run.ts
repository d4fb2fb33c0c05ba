import type { Policy, Signal } from '@relaycore/rules';
import { assess } from '../../controller/src/assess/assess.ts';
import type { SignalReadings } from '../../controller/src/types.ts';
import { type ConditionsSource, conditionsOf, type EdgesMs, edgesOf } from './conditions.ts';
import { countersSource } from './counters.ts';
import type { DetectorName } from './detectors.ts';
import { delayed, directReadings } from './direct.ts';
import { operatorOf } from './operators.ts';
import { poisson, type Random, seeded } from './random.ts';
import { type Driven, drawOutcomes, noOutcomes, type Outcomes, replayed } from './requests.ts';
import { policyOf, type Scenario, targetNames } from './scenario.ts';
import { type Score, scorekeeper } from './score.ts';
import { type Incident, incidentsOf } from './truth.ts';

/** One repeat of a scenario at one rate under one detector. */
export interface Job {
  readonly rate: number;
  readonly detector: DetectorName;
  readonly repeat: number;
  readonly seed: number;
}

/** Simulated time starts here, so that it looks like real time to the controller. */
const epochMs = Date.UTC(2026, 0, 1);

/** What is the same for every job of a scenario. */
export interface Stage {
  readonly scenario: Scenario;
  readonly policy: Policy;
  /** The signals that the scenario says anything about. */
  readonly signals: readonly Signal[];
  readonly driven: Driven;
  readonly edges: EdgesMs;
  /** One list a target. */
  readonly incidents: readonly (readonly Incident[])[];
}

export function stageOf(scenario: Scenario): Stage {
  const policy = policyOf(scenario);
  const driven = drivenBy(scenario);
  const signals = policy.defaults.filter(({ name }) => driven[name]);
  const judge = {
    signals: policy.defaults,
    level: scenario.level,
    evidenceThreshold: evidenceThreshold(policy, scenario.level),
    labelsPerRequest: scenario.labelsPerRequest,
    replicas: scenario.replicas,
    ...(scenario.trace && { sizes: scenario.trace }),
  };
  return {
    scenario,
    policy,
    signals,
    driven,
    edges: edgesOf(policy.defaults),
    incidents: scenario.targets.map(target => incidentsOf(target, judge, scenario.durationMs)),
  };
}

/** Runs it from beginning to end. The same job gives the same score everywhere. */
export function runJob(stage: Stage, { rate, detector, repeat, seed }: Job): Score {
  const { scenario, policy, signals, incidents } = stage;
  const { tickMs, durationMs } = scenario;
  const names = targetNames(scenario.targets.length);
  const seedOf = (part: string) => seeded(seed, scenario.name, rate, repeat, part);
  const sources = names.map((model, i) => targetSource(stage, i, model, seedOf));
  const operator = operatorOf({
    detector,
    policy,
    level: scenario.level,
    targets: names.map(model => ({ policy, signals, model })),
    startAt: epochMs,
  });
  const score = scorekeeper(incidents, scenario.level, durationMs);
  const load = loadOf(scenario);
  const readings: SignalReadings[] = new Array(names.length);
  const passing: boolean[] = new Array(names.length);
  for (let fromMs = 0; fromMs < durationMs; fromMs += tickMs) {
    const toMs = fromMs + tickMs;
    const mean = (rate * load((fromMs + toMs) / 2) * tickMs) / 1000;
    const shares = operator.shares();
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      const outcomes = source.tick(fromMs, toMs, mean * shares[i]!);
      score.served(i, outcomes);
      readings[i] = source.readings();
      passing[i] = source.probePasses();
    }
    score.tick(fromMs, toMs, operator.tick(epochMs + toMs, readings, passing));
  }
  return score.end();
}

interface TargetSource {
  tick(fromMs: number, toMs: number, meanRequests: number): Outcomes;
  /** Of that tick. */
  readings(): SignalReadings;
  probePasses(): boolean;
}

/** A target that answers less than this share of requests answers no probe. */
const downBelow = 0.05;

function targetSource(
  stage: Stage,
  index: number,
  model: string,
  seedOf: (part: string) => Random,
): TargetSource {
  const { scenario, edges } = stage;
  const conditions = conditionsOf(
    scenario.targets[index]!,
    edges,
    seedOf(`conditions ${model}`),
    scenario.trace,
  );
  const random = seedOf(`requests ${model}`);
  const needsCounters =
    scenario.replicas > 1 || scenario.scrape !== undefined || scenario.resets !== undefined;
  const source = needsCounters
    ? fromCounters(stage, model, conditions, random)
    : direct(stage, conditions, random);
  return {
    ...source,
    tick(fromMs, toMs, meanRequests) {
      conditions.advance(fromMs, toMs);
      return source.tick(fromMs, toMs, meanRequests);
    },
    probePasses: () => conditions.current(1).success >= downBelow,
  };
}

type Source = Pick<TargetSource, 'tick' | 'readings'>;

/** The long way: counters, scrapes, increments. */
export function fromCounters(
  { scenario, policy, driven, edges }: Stage,
  model: string,
  conditions: ConditionsSource,
  random: Random,
): Source {
  const counters = countersSource({ scenario, policy, model, driven, edges, epochMs }, random);
  let at = 0;
  return {
    tick(fromMs, toMs, meanRequests) {
      at = toMs;
      return counters.tick(fromMs, toMs, meanRequests, conditions);
    },
    readings: () => counters.readings(at),
  };
}

/** The short way, for scenarios in which scraping goes well: the same readings. */
export function direct(
  { scenario, driven, edges }: Stage,
  conditions: ConditionsSource,
  random: Random,
): Source {
  const outcomes = noOutcomes();
  const inTime = delayed(Math.round(scenario.labelDelayMs / scenario.tickMs));
  const replay = scenario.trace && replayed(scenario.trace, random, edges);
  return {
    tick(_, toMs, meanRequests) {
      const now = conditions.current(1);
      const range = replay?.(toMs);
      const requests = range ? range.count : poisson(random, meanRequests);
      drawOutcomes(random, requests, now, driven, scenario.labelsPerRequest, outcomes);
      if (range && driven.latency) {
        const slow = range.slow(now);
        outcomes.slowWarning = slow.warning;
        outcomes.slowCritical = slow.critical;
      }
      return outcomes;
    },
    readings: () => directReadings(driven, outcomes, inTime(outcomes.scores)),
  };
}

/** What the rate is multiplied by at a time: the day's curve, lowest at midnight, and peaks. */
function loadOf({ diurnal, traffic }: Scenario): (ms: number) => number {
  if (!diurnal && traffic.length === 0) return () => 1;
  return ms => {
    const wave = Math.cos((2 * Math.PI * ms) / 86_400_000);
    let load = diurnal ? (diurnal.min + diurnal.max) / 2 - ((diurnal.max - diurnal.min) / 2) * wave : 1;
    for (const { atMs, multiplier, forMs } of traffic)
      if (ms >= atMs && ms < atMs + forMs) load *= multiplier;
    return load;
  };
}

/** A signal takes part when any target's quality names it; a route needs success and latency of every target. */
function drivenBy({ targets }: Scenario): Driven {
  const named = (key: 'success' | 'latency' | 'score') =>
    targets.some(({ phases, faults }) => [...phases, ...faults].some(quality => quality[key] !== undefined));
  const disturbed = targets.some(({ bursts }) => bursts !== undefined);
  return { success: named('success') || disturbed, latency: named('latency'), accuracy: named('score') };
}

/** ln A as the controller works it out. */
function evidenceThreshold(policy: Policy, level: Scenario['level']): number {
  const absent = { kind: 'absent', reason: 'nothing was read' } as const;
  const { assessment } = assess(undefined, {
    model: 'primary',
    signals: policy.defaults,
    policy,
    readings: { success: absent, latency: absent, accuracy: absent, feedback: absent },
    at: epochMs,
  });
  return assessment.signals[0]!.levels[level].evidenceThreshold;
}
