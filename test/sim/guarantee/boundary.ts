import {
  formatProblems,
  type Level,
  loadPolicy,
  type Policy,
  type Signal,
  type SignalName,
} from '@relaycore/rules';
import { assess, newModelState } from '../../../controller/src/assess/assess.ts';
import { detectorParameters } from '../../../controller/src/assess/detector.ts';
import type { HardDownRule } from '../../../controller/src/assess/hard-down.ts';
import type { Observation, Reading, SignalReadings } from '../../../controller/src/types.ts';
import { scoreSteps } from '../conditions.ts';
import { type Distribution, roundedScores } from '../distributions.ts';

/** A model that is as bad as a healthy one may be: independent requests, each exactly at the threshold of a level. */
export interface Boundary {
  readonly signal: SignalName;
  readonly level: Level;
  /** Of a signal that has scores. */
  readonly scores?: Scores;
  /** Requests per second, Poisson. */
  readonly rate: number;
  readonly tickSeconds: number;
  /** In place of the shipped one, as the policy writes it. */
  readonly budget?: string;
}

/**
 * A mean says little about a score: all of it or nothing (the widest there is), spread like real ones, half of them
 * perfect, and all alike.
 */
const scoresOfMean = {
  'pass or fail': mean => ({ kind: 'bernoulli', p: mean }),
  'beta, sd 0.12': mean => ({ kind: 'beta', mean, sd: 0.12 }),
  'half perfect': mean => evenly({ kind: 'constant', value: 1 }, { kind: 'constant', value: 2 * mean - 1 }),
  'all alike': mean => ({ kind: 'constant', value: mean }),
} satisfies Record<string, (mean: number) => Distribution>;

export type Scores = keyof typeof scoresOfMean;

const evenly = (...of: readonly Distribution[]): Distribution => ({
  kind: 'mixture',
  parts: of.map(one => ({ weight: 1 / of.length, of: one })),
});

/** What one observation may be, and how likely it is. */
export interface Outcome {
  readonly badness: number;
  readonly chance: number;
}

/** One tick after the other: does the verdict stand now? */
export type Detector = (observations: readonly Observation[]) => boolean;

/** All that a trial of the detector at a boundary needs. */
export interface Setting {
  readonly boundary: Boundary;
  readonly allowedBad: number;
  readonly outcomes: readonly Outcome[];
  /** The bets of the detector's alternatives. */
  readonly thetas: readonly number[];
  readonly requestsPerTick: number;
  readonly ticksPerYear: number;
  /** What the budget of a model leaves to each of its streams. */
  readonly alarmsPerYear: number;
  readonly hardDown: HardDownRule;
  /** The controller's own detector, from nothing. */
  readonly shipped: () => Detector;
}

const secondsPerYear = 31_557_600;

export function settingOf(boundary: Boundary): Setting {
  const { level, tickSeconds, rate } = boundary;
  const policy = policyFor(boundary);
  const signal = policy.defaults.find(({ name }) => name === boundary.signal)!;
  const { allowedBad } = signal.levels[level];
  const { tickMs, agreementMs } = policy.detection;
  const yearsPerFalseAlarm = policy.detection.yearsPerFalseAlarm[level];
  const streams = policy.defaults.length;
  const { alternatives } = detectorParameters({
    yearsPerFalseAlarm,
    streams,
    allowedBad,
    kind: signal.kind,
    tickMs,
    agreementMs,
  });
  return {
    boundary,
    allowedBad,
    outcomes: outcomesOf(boundary, signal),
    thetas: alternatives.map(({ theta }) => theta),
    requestsPerTick: rate * tickSeconds,
    ticksPerYear: secondsPerYear / tickSeconds,
    alarmsPerYear: 1 / (yearsPerFalseAlarm * streams),
    hardDown: loadedWith({}).detection.hardDown!,
    shipped: () => shippedDetector(policy, signal, level),
  };
}

/** The shipped policy. Failures in a row are a rule of their own, without a budget: see `hard-down.ts`. */
function policyFor({ level, tickSeconds, budget }: Boundary): Policy {
  const detection = {
    tick_seconds: tickSeconds,
    hard_down: { enabled: false },
    ...(budget !== undefined && { false_alarms: { [level]: budget } }),
  };
  return loadedWith(detection);
}

function loadedWith(detection: Readonly<Record<string, unknown>>): Policy {
  const loaded = loadPolicy(JSON.stringify({ detection }));
  if (loaded.kind === 'refused')
    throw new Error(`no policy with ${JSON.stringify(detection)}: ${formatProblems(loaded.problems)}`);
  return loaded.policy;
}

function outcomesOf({ scores, level }: Boundary, signal: Signal): Outcome[] {
  const { kind, name } = signal;
  const { allowedBad, threshold } = signal.levels[level];
  if (kind === 'rate')
    return [
      { badness: 0, chance: 1 - allowedBad },
      { badness: 1, chance: allowedBad },
    ];
  if (!scores) throw new Error(`${name} has scores: say which of ${Object.keys(scoresOfMean).join('; ')}`);
  const chances = roundedScores(scoresOfMean[scores](threshold), scoreSteps);
  return [...chances]
    .map((chance, i) => ({ badness: 1 - i / scoreSteps, chance }))
    .filter(({ chance }) => chance > 0);
}

/** Simulated time starts here, so that it looks like real time to the controller. */
const epochMs = Date.UTC(2026, 0, 1);

/** With everything that the controller does around the statistic: tempering, minimum of requests, the other streams. */
function shippedDetector(policy: Policy, { name }: Signal, level: Level): Detector {
  const others = Object.fromEntries(policy.defaults.map(signal => [signal.name, unread]));
  let at = epochMs;
  const state = newModelState(at);
  return observations => {
    at += policy.detection.tickMs;
    const both = { warning: observations, critical: observations };
    const reading: Reading = { kind: 'counts', vantage: 'server', levels: both };
    const readings = { ...others, [name]: reading } as SignalReadings;
    assess(state, { model: 'primary', signals: policy.defaults, policy, readings, at });
    return state.signals[name]!.streams[level].stands;
  };
}

const unread: Reading = { kind: 'absent', reason: 'another signal is tried' };
