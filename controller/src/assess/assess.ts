import { type Level, levels, type Policy, type Signal } from '@relaycore/rules';
import type {
  Assessment,
  Counts,
  LevelAssessment,
  Observation,
  Reading,
  SignalAssessment,
  SignalReadings,
  Vantage,
  Verdict,
} from '../types.ts';
import { assessmentOf } from './assessment.ts';
import { type DetectorParameters, detectorParameters } from './detector.ts';
import { addToRun, endRun, type FailureRun, isHardDown, noFailures } from './hard-down.ts';
import { addToOverQuota, type OverQuota, overQuotaShare } from './quota.ts';
import { addToTraffic, noTraffic, type Silence, silenceOf, type Traffic } from './silence.ts';
import {
  doubtRecovery,
  isSuspect,
  newStream,
  restart,
  type Stream,
  type StreamTick,
  step,
  streamView,
} from './stream.ts';
import { addToDispersion, type Dispersion, noDispersion, temperingBy } from './tempering.ts';
import { trendOf } from './trend.ts';
import {
  addToWindow,
  emptyWindow,
  hasEnough,
  inEvaluation,
  inSixHours,
  ratesOf,
  type Window,
} from './window.ts';

/**
 * Everything remembered about one model between ticks. It is brought up to date in place: ten thousand models that
 * handed on a new state on every tick would leave the garbage collector more work than the detector.
 */
export interface ModelState {
  readonly signals: Record<string, SignalState>;
  readonly traffic: Traffic;
  quota?: OverQuota;
}

export const newModelState = (at: number): ModelState => ({ signals: {}, traffic: noTraffic(at) });

interface SignalState {
  /** What it was judged by; evidence for other thresholds says nothing about these. */
  readonly judgedBy: string;
  /** The last tick that told of it. */
  at: number;
  /** Of this tick. */
  vantage: Vantage | null;
  verdict: Verdict;
  readonly past: Past;
  /** Where the warning counts others as bad than critical does, as for latency. */
  readonly pastOfWarning?: Past;
  readonly run: FailureRun;
  readonly streams: Readonly<Record<Level, Stream>>;
}

/** What was counted lately, and how it uses to vary. */
interface Past {
  readonly window: Window;
  readonly dispersion: Dispersion;
}

export interface AssessInput {
  readonly model: string;
  readonly version?: string | undefined;
  readonly signals: readonly Signal[];
  readonly policy: Policy;
  readonly readings: SignalReadings;
  readonly at: number;
  /** A route tries this model again since then: evidence and recovery are counted from that moment. */
  readonly provingSince?: number | undefined;
}

const healthy: Verdict = { kind: 'healthy' };

/** One model, one tick: brings the state up to date and gives the verdicts, each with the numbers behind it. */
export function assess(state: ModelState, input: AssessInput): Assessment {
  for (const signal of input.signals) assessSignal(state, signal, input);
  noteQuota(state, input);
  const { model, version, at, signals, policy } = input;
  const silence = silenceAfter(state, input);
  const known = {
    model,
    at,
    verdict: worst(state, signals),
    ...(version !== undefined && { version }),
    ...(silence && { silence }),
  };
  return assessmentOf(known, viewsOf(state, signals, at, policy));
}

/** A function of its own, so that what is kept for later holds on to no readings. */
function viewsOf(state: ModelState, signals: readonly Signal[], at: number, policy: Policy) {
  return () => signals.map(signal => signalView(signal, state, at, policy));
}

function noteQuota(state: ModelState, { readings: { success }, at }: AssessInput): void {
  if (success?.kind !== 'counts') return;
  const next = addToOverQuota(state.quota, at, success);
  if (next) state.quota = next;
  else if (state.quota) delete state.quota;
}

/** Requests are those that succeed or fail; where nobody tells of them, their lack is no silence. */
function silenceAfter(
  { traffic }: ModelState,
  { readings, at, policy, signals }: AssessInput,
): Silence | undefined {
  const reading = readings.success;
  if (reading?.kind !== 'counts') return undefined;
  addToTraffic(traffic, at, policy.detection.tickMs, total(reading.levels.critical).requests);
  return silenceOf(traffic, at, parametersOf(signals[0]!, policy).critical.threshold);
}

function assessSignal({ signals }: ModelState, signal: Signal, input: AssessInput): void {
  const { at, policy, readings } = input;
  const parameters = parametersOf(signal, policy);
  let state = signals[signal.name];
  if (state?.judgedBy !== parameters.judgedBy) {
    state = newSignalState(signal, parameters, input);
    signals[signal.name] = state;
  }
  startProving(state, signal, input, parameters);
  const reading = readings[signal.name] ?? unread;
  if (reading.kind === 'counts') observe(state, signal, reading, input, parameters);
  state.vantage = reading.kind === 'counts' ? reading.vantage : null;
  state.verdict = verdictOf(signal, reading, state, at, policy);
}

interface LevelParameters extends Readonly<Record<Level, DetectorParameters>> {
  readonly judgedBy: string;
}

const unread: Reading = { kind: 'absent', reason: 'nothing was read of it' };

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
    parameters = {
      ...bothLevels(level => sharedParameters(byValue, signal, level, policy)),
      judgedBy: JSON.stringify([signal.kind, signal.levels]),
    };
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
      streams: defaults.length,
      tickMs: detection.tickMs,
      agreementMs: detection.agreementMs,
    });
  byValue.set(key, shared);
  return shared;
}

function newSignalState(
  signal: Signal,
  parameters: LevelParameters,
  { at, policy }: AssessInput,
): SignalState {
  const evaluationMs = policy.alerts.windowMinutes * 60_000;
  const newPast = () => ({ window: emptyWindow(at, evaluationMs), dispersion: noDispersion(at) });
  return {
    judgedBy: parameters.judgedBy,
    at,
    vantage: null,
    verdict: healthy,
    past: newPast(),
    ...(!countsAlike(signal) && { pastOfWarning: newPast() }),
    run: noFailures(at),
    streams: bothLevels(level => newStream(parameters[level], at)),
  };
}

/** Only for latency do the levels differ in what is bad. */
const countsAlike = ({ levels: { warning, critical } }: Signal) =>
  warning.edgeSeconds === critical.edgeSeconds;

/**
 * Scores that come late are of older answers until the delay is over. A state that began later than the try, because the
 * evidence was lost in between, asks for the recovery from its own beginning.
 */
function startProving(
  { streams, run }: SignalState,
  { labelDelayMs = 0 }: Signal,
  { provingSince, at }: AssessInput,
  parameters: LevelParameters,
): void {
  if (provingSince === undefined) return;
  const countedFrom = provingSince + labelDelayMs;
  const { critical } = streams;
  const isBegun = critical.countedFrom >= countedFrom && critical.recovering;
  if (at < countedFrom || isBegun) return;
  const from = Math.max(countedFrom, critical.countedFrom);
  endRun(run, from);
  for (const level of levels) restart(streams[level], from, parameters[level]);
}

function observe(
  state: SignalState,
  signal: Signal,
  reading: Extract<Reading, { kind: 'counts' }>,
  { at, policy }: AssessInput,
  parameters: LevelParameters,
): void {
  const { past, pastOfWarning, run, streams } = state;
  // Scores may come in batches, with nothing to see of them in between.
  if (signal.kind !== 'score' && at - state.at > policy.detection.staleMs)
    for (const level of levels) doubtRecovery(streams[level], at);
  const critical = total(reading.levels.critical);
  const warning = pastOfWarning ? total(reading.levels.warning) : critical;
  addToWindow(past.window, at, critical);
  if (pastOfWarning) addToWindow(pastOfWarning.window, at, warning);
  addToRun(run, at, critical);
  const stoodAtCritical = streams.critical.stands;
  const tick: StreamTick = {
    at,
    previousAt: state.at,
    enoughRequests: hasEnough(past.window, at, policy.alerts.minRequests),
    hardDown: signal.name === 'success' && isHardDown(run, at, policy.detection.hardDown),
  };
  const ofCritical = temperingOf(past, policy);
  const ofWarning = pastOfWarning ? temperingOf(pastOfWarning, policy) : ofCritical;
  step(streams.critical, tick, reading.levels.critical, critical, parameters.critical, ofCritical);
  step(streams.warning, tick, reading.levels.warning, warning, parameters.warning, ofWarning);
  state.at = at;
  learnDispersion(state, at, reading.levels, parameters);
  if (stoodAtCritical && !streams.critical.stands) closeIncident(streams.warning, at, parameters.warning);
}

const temperingOf = ({ dispersion }: Past, { detection }: Policy) =>
  detection.tempering ? temperingBy(dispersion) : 1;

/** From what this tick showed, for the ticks to come. */
function learnDispersion(
  { past, pastOfWarning, streams }: SignalState,
  at: number,
  observed: Readonly<Record<Level, readonly Observation[]>>,
  parameters: LevelParameters,
): void {
  const suspect =
    isSuspect(streams.critical, parameters.critical) || isSuspect(streams.warning, parameters.warning);
  addToDispersion(past.dispersion, at, observed.critical, suspect);
  if (pastOfWarning) addToDispersion(pastOfWarning.dispersion, at, observed.warning, suspect);
}

/**
 * A model that has recovered from critical starts anew at warning too: that warning told of the same incident, and
 * people heard of it already. If the model is still worse than the warning allows, new evidence says so.
 */
function closeIncident(warning: Stream, at: number, parameters: DetectorParameters): void {
  if (!warning.stands) return;
  restart(warning, at, parameters);
  warning.stands = false;
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

function verdictOf(
  { name }: Signal,
  reading: Reading,
  { streams, past }: SignalState,
  at: number,
  policy: Policy,
): Verdict {
  if (reading.kind === 'absent') return { kind: 'unknown', reason: reading.reason };
  for (const level of ['critical', 'warning'] as const) {
    const { stands, fired } = streams[level];
    if (stands) return { kind: 'degraded', level, signal: name, since: fired!.standsSince };
  }
  const minimum = policy.alerts.minRequests;
  if (hasEnough(past.window, at, minimum)) return healthy;
  const { requests } = inSixHours(past.window, at);
  return { kind: 'unknown', reason: `${requests} of ${minimum} requests seen so far` };
}

/**
 * Critical before warning before healthy; unknown only when no signal says more, or when a signal that stood at
 * critical can no longer be seen: the others then prove nothing about it.
 */
function worst({ signals: states }: ModelState, signals: readonly Signal[]): Verdict {
  let [warning, unseen, isHealthy]: [Verdict?, Verdict?, boolean?] = [];
  for (const { name } of signals) {
    const { verdict, streams } = states[name]!;
    if (verdict.kind === 'healthy') isHealthy = true;
    else if (verdict.kind === 'unknown') unseen ??= streams.critical.stands ? verdict : undefined;
    else if (verdict.level === 'critical') return verdict;
    else warning ??= verdict;
  }
  return (
    unseen ?? warning ?? (isHealthy ? healthy : unknown(signals.map(({ name }) => states[name]!.verdict)))
  );
}

/** With every reason once. */
function unknown(verdicts: readonly Verdict[]): Verdict {
  const reasons = verdicts.flatMap(verdict => (verdict.kind === 'unknown' ? verdict.reason : []));
  return { kind: 'unknown', reason: [...new Set(reasons)].join('; ') };
}

function signalView(
  signal: Signal,
  { signals, quota }: ModelState,
  at: number,
  policy: Policy,
): SignalAssessment {
  const { past, pastOfWarning, streams, vantage, verdict } = signals[signal.name]!;
  const parameters = parametersOf(signal, policy);
  const trend = trendOf(past.window, at, policy.alerts.minRequests);
  return {
    signal: signal.name,
    verdict,
    ...(vantage && { vantage }),
    levels: bothLevels((level): LevelAssessment => {
      const { threshold, unit } = signal.levels[level];
      const { window } = level === 'warning' ? (pastOfWarning ?? past) : past;
      const windowCounts = inEvaluation(window, at);
      return { ...streamView(streams[level], parameters[level], windowCounts), level, threshold, unit };
    }),
    requests: inEvaluation(past.window, at).requests,
    ...(trend && { trend }),
    ...(signal.labelDelayMs !== undefined && { labelDelayMs: signal.labelDelayMs }),
    ...(signal.name === 'success' && {
      rates: ratesOf(past.window, at),
      ...(quota && { overQuotaShare: overQuotaShare(quota) }),
    }),
  };
}

function bothLevels<T>(make: (level: Level) => T): Readonly<Record<Level, T>> {
  return { warning: make('warning'), critical: make('critical') };
}
