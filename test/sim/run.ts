import type { Policy, Signal } from '@relaycore/rules';
import { assess, newModelState } from '../../controller/src/assess/assess.ts';
import { readTick, type TickMemory } from '../../controller/src/read/tick.ts';
import type { SignalReadings } from '../../controller/src/types.ts';
import { type ConditionsSource, conditionsOf, type EdgesMs, edgesOf } from './conditions.ts';
import { answered, countersSource, type Scraped } from './counters.ts';
import type { DetectorName } from './detectors.ts';
import { delayed, directReadings } from './direct.ts';
import { type Operator, operatorOf, type Seen } from './operators.ts';
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

/** One tick as it went. */
export interface Tick {
  readonly at: number;
  /** One a target, as are the probes. */
  readonly readings: readonly SignalReadings[];
  readonly probesPass: readonly boolean[];
  readonly seen: Seen;
}

/** For those who look closer than a score. */
export interface Observer {
  /** Scenarios in which scraping goes well are run without scrapes; see `direct`. */
  onScrape?(scraped: Scraped): void;
  onTick?(tick: Tick): void;
}

/** Runs it from beginning to end. The same job gives the same score everywhere. */
export function runJob(stage: Stage, job: Job, { onScrape, onTick }: Observer = {}): Score {
  const { scenario, incidents } = stage;
  const { tickMs, durationMs } = scenario;
  const lots = lotsOf(stage, job);
  const targets = needsCounters(scenario) ? fromCounters(stage, lots, onScrape) : direct(stage, lots);
  const operator = operatorFor(stage, job.detector);
  const score = scorekeeper(incidents, scenario.level, durationMs);
  const load = loadOf(scenario);
  for (let fromMs = 0; fromMs < durationMs; fromMs += tickMs) {
    const toMs = fromMs + tickMs;
    const mean = (job.rate * load((fromMs + toMs) / 2) * tickMs) / 1000;
    const shares = operator.shares();
    for (let i = 0; i < lots.length; i++) {
      lots[i]!.conditions.advance(fromMs, toMs);
      score.served(i, targets.tick(i, fromMs, toMs, mean * shares[i]!));
    }
    const at = epochMs + toMs;
    const readings = targets.readings(toMs);
    const probesPass = lots.map(answersProbes);
    const seen = operator.tick(at, readings, probesPass);
    score.tick(fromMs, toMs, seen);
    onTick?.({ at, readings, probesPass, seen });
  }
  return score.end();
}

/** Whoever watches these targets, before the first tick. */
export function operatorFor({ scenario, policy, signals }: Stage, detector: DetectorName): Operator {
  const targets = targetNames(scenario.targets.length).map(model => ({ policy, signals, model }));
  return operatorOf({ detector, policy, level: scenario.level, targets, startAt: epochMs });
}

/** What chance has in store for one target. */
interface Lot {
  readonly conditions: ConditionsSource;
  readonly random: Random;
}

function lotsOf({ scenario, edges }: Stage, { rate, repeat, seed }: Job): readonly Lot[] {
  const seedOf = (part: string) => seeded(seed, scenario.name, rate, repeat, part);
  return targetNames(scenario.targets.length).map((model, i) => ({
    conditions: conditionsOf(scenario.targets[i]!, edges, seedOf(`conditions ${model}`), scenario.trace),
    random: seedOf(`requests ${model}`),
  }));
}

/** A target that answers less than this share of requests answers no probe. */
const downBelow = 0.05;

const answersProbes = ({ conditions }: Lot) => conditions.current(1).success >= downBelow;

/** The targets of a scenario: requests in, readings out. */
interface Targets {
  /** One of them through one tick; the outcomes are good until its next. */
  tick(target: number, fromMs: number, toMs: number, meanRequests: number): Outcomes;
  /** One a target, of the tick that all of them have gone through. */
  readings(toMs: number): readonly SignalReadings[];
}

const needsCounters = ({ replicas, scrape, resets }: Scenario) =>
  replicas > 1 || scrape !== undefined || resets !== undefined;

/** The long way: counters, scrapes, and what the controller makes of the answers of a Prometheus. */
export function fromCounters(
  { scenario, policy, driven, edges }: Stage,
  lots: readonly Lot[],
  onScrape?: Observer['onScrape'],
): Targets {
  const names = targetNames(lots.length);
  const sources = lots.map(({ random }, i) =>
    countersSource({ scenario, model: names[i]!, driven, edges, epochMs, onScrape }, random),
  );
  let memory: TickMemory | undefined;
  return {
    tick: (target, fromMs, toMs, meanRequests) =>
      sources[target]!.tick(fromMs, toMs, meanRequests, lots[target]!.conditions),
    readings(toMs) {
      const scraped = sources.flatMap(source => source.scraped());
      const tick = readTick(policy, memory, 'simulated', answered(epochMs + toMs, scraped));
      memory = tick.memory;
      return names.map(name => tick.models.get(name)!);
    },
  };
}

/** The short way, for scenarios in which scraping goes well: the same readings. */
export function direct(stage: Stage, lots: readonly Lot[]): Targets {
  const targets = lots.map(lot => directTarget(stage, lot));
  return {
    tick: (target, _, toMs, meanRequests) => targets[target]!.tick(toMs, meanRequests),
    readings: () => targets.map(target => target.readings()),
  };
}

function directTarget({ scenario, driven, edges }: Stage, { conditions, random }: Lot) {
  const outcomes = noOutcomes();
  const inTime = delayed(Math.round(scenario.labelDelayMs / scenario.tickMs));
  const replay = scenario.trace && replayed(scenario.trace, random, edges);
  return {
    tick(toMs: number, meanRequests: number): Outcomes {
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
    readings: (): SignalReadings => directReadings(driven, outcomes, inTime(outcomes.scores)),
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
  const assessment = assess(newModelState(epochMs), {
    model: 'primary',
    signals: policy.defaults,
    policy,
    readings: { success: absent, latency: absent, accuracy: absent, feedback: absent },
    at: epochMs,
  });
  return assessment.signals[0]!.levels[level].evidenceThreshold;
}
