import type { Counts, LevelAssessment, Observation } from '../types.ts';
import {
  accumulate,
  type DetectorParameters,
  type Evidence,
  highestOf,
  logMean,
  noEvidence,
  reaches,
  strength,
} from './detector.ts';
import { accumulateRecovery, isLost, noRecovery, recoveredAt, type Wealth } from './recovery.ts';

/** The state of one model, signal and level between ticks: a few numbers. */
export interface Stream {
  /** Nothing earlier counts: the first tick, or when a route began to try the model again. */
  readonly countedFrom: number;
  readonly evidence: Evidence;
  /** The last tick. */
  readonly at: number;
  /**
   * For each alternative, what was counted since its sum last stood at zero: a change to it began there, if any did.
   * Null where the sum stands at zero; empty where all do, so that healthy models take no memory for it.
   */
  readonly building: readonly (Span | null)[];
  readonly recovery: Wealth;
  /** The lowest that its ln has been: how far it has risen since tells of the latest requests alone. */
  readonly recoveryLow: number;
  readonly recoverySince: number;
  /** While the verdict stands, or the last time it did. */
  readonly fired?: Fired;
  readonly stands: boolean;
}

interface Span extends Counts {
  readonly since: number;
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
  readonly span: Span;
}

export function newStream(parameters: DetectorParameters, at: number): Stream {
  return {
    countedFrom: at,
    evidence: noEvidence(parameters),
    at,
    building: nothingBuilding,
    recovery: noRecovery,
    recoveryLow: 0,
    recoverySince: at,
    stands: false,
  };
}

const nothingBuilding: Stream['building'] = [];
const nothingSince = (since: number): Span => ({ since, requests: 0, bad: 0 });

export interface StreamTick {
  readonly at: number;
  readonly observations: readonly Observation[];
  readonly counts: Counts;
  readonly enoughRequests: boolean;
  readonly hardDown: boolean;
}

/**
 * One tick: evidence against the model and for its recovery grow side by side. A verdict that fired stands until the
 * recovery is proven; the evidence starts again from nothing, so that it can fire anew.
 */
export function step(stream: Stream, tick: StreamTick, parameters: DetectorParameters): Stream {
  const evidence = accumulate(stream.evidence, tick.observations, parameters);
  const building = buildingAfter(stream, evidence, tick.counts);
  const { recovery, recoveryLow, recoverySince } = recoveryAfter(stream, tick, parameters);
  const next = { ...stream, at: tick.at, evidence, building, recovery, recoveryLow, recoverySince };
  if (tick.enoughRequests && reaches(evidence, parameters.threshold))
    return fire(next, tick, 'shiryaev-roberts', parameters);
  if (tick.hardDown && !isStillFired(stream)) return fire(next, tick, 'hard-down', parameters);
  if (stream.stands && logMean(next.recovery) >= recoveredAt) return { ...next, stands: false };
  return next;
}

function buildingAfter({ at, building }: Stream, { sum }: Evidence, counts: Counts): Stream['building'] {
  if (highestOf(sum) === 0) return nothingBuilding;
  return sum.map((height, k) => (height > 0 ? extend(building[k] ?? nothingSince(at), counts) : null));
}

/** The evidence and the recovery are counted from now on: a route begins to try this model again. */
export function restart(stream: Stream, at: number, parameters: DetectorParameters): Stream {
  return {
    ...newStream(parameters, at),
    stands: stream.stands,
    ...(stream.fired && { fired: stream.fired }),
  };
}

/** It stands, and what made it fire is still being counted: not the trouble from before a new try. */
const isStillFired = ({ stands, fired, countedFrom }: Stream) => stands && fired!.at > countedFrom;

function recoveryAfter(
  stream: Stream,
  tick: StreamTick,
  { allowedBad }: DetectorParameters,
): Pick<Stream, 'recovery' | 'recoveryLow' | 'recoverySince'> {
  const recovery = accumulateRecovery(stream.recovery, tick.observations, allowedBad);
  if (isLost(recovery)) return { recovery: noRecovery, recoveryLow: 0, recoverySince: tick.at };
  const recoveryLow = Math.min(stream.recoveryLow, logMean(recovery));
  return { recovery, recoveryLow, recoverySince: stream.recoverySince };
}

function fire(stream: Stream, tick: StreamTick, rule: Fired['rule'], parameters: DetectorParameters): Stream {
  const span = likeliest(stream);
  return {
    countedFrom: stream.countedFrom,
    evidence: noEvidence(parameters),
    at: tick.at,
    building: nothingBuilding,
    recovery: noRecovery,
    recoveryLow: 0,
    recoverySince: tick.at,
    stands: true,
    fired: {
      at: tick.at,
      standsSince: stream.stands ? stream.fired!.standsSince : tick.at,
      since: isStillFired(stream) ? stream.fired!.since : span.since,
      rule,
      evidence: strength(stream.evidence),
      span,
    },
  };
}

/** The span of the alternative that the requests speak for most. */
const likeliest = ({ at, evidence: { sum }, building }: Stream): Span =>
  building[sum.indexOf(highestOf(sum))] ?? nothingSince(at);

const extend = (span: Span, { requests, bad }: Counts): Span => ({
  since: span.since,
  requests: span.requests + requests,
  bad: span.bad + bad,
});

/** What the rest of the controller sees of a stream. */
export function streamView(
  stream: Stream,
  parameters: DetectorParameters,
  windowCounts: Counts,
): Pick<
  LevelAssessment,
  | 'stands'
  | 'standsSince'
  | 'firedAt'
  | 'since'
  | 'rule'
  | 'evidence'
  | 'evidenceThreshold'
  | 'recovery'
  | 'recoveryRise'
  | 'recoverySince'
  | 'counts'
  | 'allowedBad'
> {
  const { fired, stands } = stream;
  const recovery = logMean(stream.recovery);
  const view = {
    stands,
    evidence: stands ? fired!.evidence : atLeastZero(stream.evidence),
    evidenceThreshold: parameters.threshold,
    recovery,
    recoveryRise: recovery - stream.recoveryLow,
    recoverySince: stream.recoverySince,
    counts: stands ? fired!.span : windowCounts,
    allowedBad: parameters.allowedBad,
  };
  if (!fired) return view;
  const { at: firedAt, since, rule, standsSince } = fired;
  return stands ? { ...view, standsSince, firedAt, since, rule } : { ...view, firedAt, since, rule };
}

const atLeastZero = (evidence: Evidence): number => (reaches(evidence, 0) ? strength(evidence) : 0);
