import type { Counts, LevelAssessment, Observation } from '../types.ts';
import {
  accumulate,
  type Before,
  type DetectorParameters,
  type Evidence,
  forget,
  likeliestBeginning,
  noEvidence,
  reaches,
  strength,
} from './detector.ts';
import { accumulateRecovery, isLost, logWealth, noRecovery, recoveredAt, type Wealth } from './recovery.ts';

/** The state of one model, signal and level between ticks: a few numbers, brought up to date in place. */
export interface Stream {
  /** Nothing earlier counts: the first tick, or when a route began to try the model again. */
  countedFrom: number;
  /** Requests and badness since then. */
  requests: number;
  bad: number;
  readonly evidence: Evidence;
  /** Recovery is asked for: a verdict stands, or a route tries the model. Nobody else needs it. */
  recovering: boolean;
  readonly recovery: Wealth;
  /** The lowest that its ln has been: how far it has risen since tells of the latest requests alone. */
  recoveryLow: number;
  recoverySince: number;
  /** While the verdict stands, or the last time it did. */
  fired?: Fired;
  stands: boolean;
}

interface Fired {
  readonly at: number;
  /** The first firing of this verdict: it has stood without a break since then. */
  readonly standsSince: number;
  /** The estimated time of the change; that of the first firing while the same trouble goes on. */
  readonly since: number;
  readonly rule: 'shiryaev-roberts' | 'hard-down';
  /** ln R when it fired. */
  readonly evidence: number;
  /** What was counted between the change and the firing. */
  readonly counts: Counts;
}

export function newStream(parameters: DetectorParameters, at: number): Stream {
  return {
    countedFrom: at,
    requests: 0,
    bad: 0,
    evidence: noEvidence(parameters),
    recovering: false,
    recovery: noRecovery(),
    recoveryLow: 0,
    recoverySince: at,
    stands: false,
  };
}

export interface StreamTick {
  readonly at: number;
  /** The tick before this one. */
  readonly previousAt: number;
  readonly enoughRequests: boolean;
  readonly hardDown: boolean;
}

/**
 * One tick: evidence against the model and for its recovery grow side by side. A verdict that fired stands until the
 * recovery is proven; the evidence starts again from nothing, so that it can fire anew.
 */
export function step(
  stream: Stream,
  tick: StreamTick,
  observations: readonly Observation[],
  counts: Counts,
  parameters: DetectorParameters,
  tempering = 1,
): void {
  const { requests, bad, evidence } = stream;
  accumulate(evidence, observations, parameters, { at: tick.previousAt, requests, bad }, tempering);
  stream.requests += counts.requests;
  stream.bad += counts.bad;
  if (stream.recovering) recover(stream, tick.at, observations, parameters);
  if (tick.enoughRequests && reaches(evidence, parameters.threshold))
    fire(stream, tick, 'shiryaev-roberts', parameters);
  else if (tick.hardDown && !isStillFired(stream)) fire(stream, tick, 'hard-down', parameters);
  else if (stream.stands && logWealth(stream.recovery) >= recoveredAt) stream.stands = false;
}

/** Half of the evidence for a verdict is there, or the verdict itself: this may be trouble, not the model's way. */
export const isSuspect = ({ stands, evidence }: Stream, { threshold }: DetectorParameters) =>
  stands || reaches(evidence, threshold / 2);

/** The evidence and the recovery are counted from now on: a route begins to try this model again. */
export function restart(stream: Stream, at: number, parameters: DetectorParameters): void {
  stream.countedFrom = at;
  forget(stream.evidence, parameters);
  startRecovery(stream, at);
}

/** Nobody saw what happened of late, so what spoke for the model before says little about now. */
export function doubtRecovery(stream: Stream, at: number): void {
  if (stream.recovering) startRecovery(stream, at);
}

function startRecovery(stream: Stream, at: number): void {
  stream.recovering = true;
  stream.recovery.fill(0);
  stream.recoveryLow = 0;
  stream.recoverySince = at;
}

/** It stands, and what made it fire is still being counted: not the trouble from before a new try. */
const isStillFired = ({ stands, fired, countedFrom }: Stream) => stands && fired!.at > countedFrom;

function recover(
  stream: Stream,
  at: number,
  observations: readonly Observation[],
  parameters: DetectorParameters,
): void {
  accumulateRecovery(stream.recovery, observations, parameters.allowedBad);
  if (isLost(stream.recovery)) startRecovery(stream, at);
  else stream.recoveryLow = Math.min(stream.recoveryLow, logWealth(stream.recovery));
}

function fire(
  stream: Stream,
  { at, previousAt }: StreamTick,
  rule: Fired['rule'],
  parameters: DetectorParameters,
): void {
  const { requests, bad, evidence } = stream;
  const beginning: Before = likeliestBeginning(evidence, { at: previousAt, requests, bad });
  stream.fired = {
    at,
    standsSince: stream.stands ? stream.fired!.standsSince : at,
    since: isStillFired(stream) ? stream.fired!.since : beginning.at,
    rule,
    evidence: strength(evidence),
    counts: { requests: requests - beginning.requests, bad: bad - beginning.bad },
  };
  stream.stands = true;
  forget(evidence, parameters);
  startRecovery(stream, at);
}

/** What the rest of the controller sees of a stream. */
export function streamView(
  { fired, stands, evidence, recovery, recoveryLow, recoverySince }: Stream,
  { threshold, allowedBad }: DetectorParameters,
  windowCounts: Counts,
): Omit<LevelAssessment, 'level' | 'threshold' | 'unit'> {
  const logRecovery = logWealth(recovery);
  const view = {
    stands,
    evidence: stands ? fired!.evidence : Math.max(0, strength(evidence)),
    evidenceThreshold: threshold,
    recovery: logRecovery,
    recoveryRise: logRecovery - recoveryLow,
    recoverySince,
    counts: stands ? fired!.counts : windowCounts,
    allowedBad,
  };
  if (!fired) return view;
  const { at: firedAt, since, rule, standsSince } = fired;
  return stands ? { ...view, standsSince, firedAt, since, rule } : { ...view, firedAt, since, rule };
}
