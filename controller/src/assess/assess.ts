import { type Level, levels, type Policy, type Signal, type SignalName } from '@relaycore/rules';
import type {
  Assessment,
  Counts,
  LevelAssessment,
  Observation,
  Reading,
  SignalAssessment,
  SignalReadings,
  Verdict,
} from '../types.ts';
import { type DetectorParameters, detectorParameters } from './detector.ts';
import { addToRun, type FailureRun, isHardDown, noFailures } from './hard-down.ts';
import { newStream, restart, type Stream, step, streamView } from './stream.ts';
import { trendOf } from './trend.ts';
import { addToWindow, countsWithin, emptyWindow, hasEnough, type Window } from './window.ts';

/** Everything remembered about one model between ticks. */
export type ModelState = Readonly<Record<SignalName, SignalState>>;

interface SignalState {
  readonly at: number;
  /** One window a level: for latency the two levels count different requests as slow. */
  readonly windows: Readonly<Record<Level, Window>>;
  readonly run: FailureRun;
  readonly streams: Readonly<Record<Level, Stream>>;
}

export interface AssessInput {
  readonly model: string;
  readonly version?: string;
  readonly signals: readonly Signal[];
  readonly policy: Policy;
  readonly readings: SignalReadings;
  readonly at: number;
  /** A route tries this model again since then: evidence and recovery are counted from that moment. */
  readonly provingSince?: number;
}

/** One model, one tick: the next state and the verdicts, each with the numbers behind it. */
export function assess(
  state: ModelState | undefined,
  input: AssessInput,
): { readonly state: ModelState; readonly assessment: Assessment } {
  const next: Partial<Record<SignalName, SignalState>> = {};
  const signals = input.signals.map(signal => {
    const parameters = parametersOf(signal, input.policy);
    const before = restarted(state?.[signal.name] ?? newSignalState(parameters, input.at), input, parameters);
    const reading = input.readings[signal.name] ?? unread;
    const after = reading.kind === 'counts' ? observe(before, signal, reading, input, parameters) : before;
    next[signal.name] = after;
    return signalAssessment(signal, reading, after, input, parameters);
  });
  return {
    state: next as ModelState,
    assessment: {
      model: input.model,
      ...(input.version !== undefined && { version: input.version }),
      at: input.at,
      verdict: worst(signals),
      signals,
    },
  };
}

const unread: Reading = { kind: 'absent', reason: 'nothing was read of it' };

type LevelParameters = Readonly<Record<Level, DetectorParameters>>;

interface Known {
  readonly bySignal: Map<Signal, LevelParameters>;
  readonly byValue: Map<string, DetectorParameters>;
}

const known = new WeakMap<Policy, Known>();

/** The detector's constants follow from the policy alone; models that are judged alike share them. */
function parametersOf(signal: Signal, policy: Policy): LevelParameters {
  let ofPolicy = known.get(policy);
  if (!ofPolicy) {
    ofPolicy = { bySignal: new Map(), byValue: new Map() };
    known.set(policy, ofPolicy);
  }
  let parameters = ofPolicy.bySignal.get(signal);
  if (!parameters) {
    const { byValue } = ofPolicy;
    parameters = bothLevels(level => sharedParameters(byValue, signal, level, policy));
    ofPolicy.bySignal.set(signal, parameters);
  }
  return parameters;
}

function sharedParameters(
  byValue: Known['byValue'],
  signal: Signal,
  level: Level,
  { detection, defaults }: Policy,
): DetectorParameters {
  const { kind } = signal;
  const { allowedBad } = signal.levels[level];
  const key = `${kind} ${level} ${allowedBad}`;
  const shared =
    byValue.get(key) ??
    detectorParameters({
      allowedBad,
      kind,
      yearsPerFalseAlarm: detection.yearsPerFalseAlarm[level],
      streams: defaults.length * levels.length,
      tickMs: detection.tickMs,
      agreementMs: detection.agreementMs,
    });
  byValue.set(key, shared);
  return shared;
}

function newSignalState(parameters: LevelParameters, at: number): SignalState {
  const window = emptyWindow(at);
  return {
    at,
    windows: { warning: window, critical: window },
    run: noFailures(at),
    streams: bothLevels(level => newStream(parameters[level], at)),
  };
}

function restarted(
  state: SignalState,
  { provingSince }: AssessInput,
  parameters: LevelParameters,
): SignalState {
  if (provingSince === undefined || state.streams.critical.countedFrom >= provingSince) return state;
  return {
    ...state,
    run: noFailures(provingSince),
    streams: bothLevels(level => restart(state.streams[level], provingSince, parameters[level])),
  };
}

function observe(
  state: SignalState,
  signal: Signal,
  reading: Extract<Reading, { kind: 'counts' }>,
  { at, policy }: AssessInput,
  parameters: LevelParameters,
): SignalState {
  const counts = bothLevels(level => total(reading.levels[level]));
  const windows = addToWindows(state.windows, at, counts);
  const run = addToRun(state.run, at, counts.critical);
  const enoughRequests = hasEnough(windows.critical, at, policy.alerts.minRequests);
  const hardDown = signal.name === 'success' && isHardDown(run, at, policy.detection.hardDown);
  const stepped = bothLevels(level =>
    step(
      state.streams[level],
      {
        at,
        observations: reading.levels[level],
        counts: counts[level],
        enoughRequests,
        hardDown,
      },
      parameters[level],
    ),
  );
  const streams = closeIncident(state.streams, stepped, at, parameters);
  return { at, windows, run, streams };
}

/** Only for latency do the levels count differently; otherwise they share one window. */
function addToWindows(
  { warning, critical }: SignalState['windows'],
  at: number,
  counts: Readonly<Record<Level, Counts>>,
): SignalState['windows'] {
  const next = addToWindow(warning, at, counts.warning);
  const isShared =
    warning === critical &&
    counts.warning.requests === counts.critical.requests &&
    counts.warning.bad === counts.critical.bad;
  return { warning: next, critical: isShared ? next : addToWindow(critical, at, counts.critical) };
}

/**
 * A model that has recovered from critical starts anew at warning too: that warning told of the same incident, and
 * people heard of it already. If the model is still worse than the warning allows, new evidence says so.
 */
function closeIncident(
  before: SignalState['streams'],
  after: SignalState['streams'],
  at: number,
  parameters: LevelParameters,
): SignalState['streams'] {
  const recovered = before.critical.stands && !after.critical.stands;
  if (!recovered || !after.warning.stands) return after;
  return { ...after, warning: { ...restart(after.warning, at, parameters.warning), stands: false } };
}

function total(observations: readonly Observation[]): Counts {
  let requests = 0;
  let bad = 0;
  for (let i = 0; i < observations.length; i++) {
    const { badness, count } = observations[i]!;
    requests += count;
    bad += badness * count;
  }
  return { requests, bad };
}

function signalAssessment(
  signal: Signal,
  reading: Reading,
  state: SignalState,
  { at, policy }: AssessInput,
  parameters: LevelParameters,
): SignalAssessment {
  const windowMs = policy.alerts.windowMinutes * 60_000;
  const assessed = bothLevels(level => {
    const windowCounts = countsWithin(state.windows[level], at, windowMs);
    const { threshold, unit } = signal.levels[level];
    return { ...streamView(state.streams[level], parameters[level], windowCounts), level, threshold, unit };
  });
  const trend = trendOf(state.windows.critical, at, policy.alerts.minRequests);
  return {
    signal: signal.name,
    verdict: verdictOf(signal.name, reading, assessed, state, at, policy),
    ...(reading.kind === 'counts' && { vantage: reading.vantage }),
    levels: assessed,
    requests: countsWithin(state.windows.critical, at, windowMs).requests,
    ...(trend && { trend }),
  };
}

function verdictOf(
  signal: SignalName,
  reading: Reading,
  assessed: Readonly<Record<Level, LevelAssessment>>,
  state: SignalState,
  at: number,
  policy: Policy,
): Verdict {
  if (reading.kind === 'absent') return { kind: 'unknown', reason: reading.reason };
  for (const level of ['critical', 'warning'] as const)
    if (assessed[level].stands)
      return { kind: 'degraded', level, signal, since: assessed[level].standsSince! };
  const minimum = policy.alerts.minRequests;
  if (hasEnough(state.windows.critical, at, minimum)) return { kind: 'healthy' };
  const { requests } = countsWithin(state.windows.critical, at, 6 * 3_600_000);
  return { kind: 'unknown', reason: `${requests} of ${minimum} requests seen so far` };
}

/**
 * Critical before warning before healthy; unknown only when no signal says more, or when a signal that stood at
 * critical can no longer be seen: the others then prove nothing about it.
 */
function worst(signals: readonly SignalAssessment[]): Verdict {
  const verdicts = signals.map(({ verdict }) => verdict);
  const degraded = (level: Level) =>
    verdicts.find(verdict => verdict.kind === 'degraded' && verdict.level === level);
  const unseen = signals.find(
    ({ verdict, levels: { critical } }) => verdict.kind === 'unknown' && critical.stands,
  );
  return (
    degraded('critical') ??
    unseen?.verdict ??
    degraded('warning') ??
    verdicts.find(({ kind }) => kind === 'healthy') ?? {
      kind: 'unknown',
      reason: [...new Set(verdicts.map(verdict => (verdict.kind === 'unknown' ? verdict.reason : '')))].join(
        '; ',
      ),
    }
  );
}

function bothLevels<T>(make: (level: Level) => T): Readonly<Record<Level, T>> {
  return { warning: make('warning'), critical: make('critical') };
}
