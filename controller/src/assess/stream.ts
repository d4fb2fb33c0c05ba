import type { Counts, LevelAssessment, Observation } from '../types.ts';
import {
  accumulate,
  type DetectorParameters,
  type Evidence,
  logMean,
  noEvidence,
  strength,
} from './detector.ts';
import { accumulateRecovery, isLost, noRecovery, recoveredAt, type Wealth } from './recovery.ts';

/** The state of one model, signal and level between ticks: a few numbers. */
export interface Stream {
  /** Nothing earlier counts: the first tick, or when a route began to try the model again. */
  readonly countedFrom: number;
  readonly evidence: Evidence;
  /** For each alternative, what was counted since its sum last stood at zero: a change to it began there, if any did. */
  readonly building: readonly Span[];
  readonly recovery: Wealth;
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
    building: nothingBuilding(parameters, at),
    recovery: noRecovery,
    recoverySince: at,
    stands: false,
  };
}

const nothingBuilding = ({ alternatives }: DetectorParameters, since: number): readonly Span[] =>
  alternatives.map(() => ({ since, requests: 0, bad: 0 }));

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
  const total = strength(evidence);
  const building = buildingAfter(stream, evidence, tick);
  const { recovery, recoverySince } = recoveryAfter(stream, tick, parameters);
  const next = { ...stream, evidence, building, recovery, recoverySince };
  if (total >= parameters.threshold && tick.enoughRequests)
    return fire(next, tick, 'shiryaev-roberts', total, parameters);
  if (tick.hardDown && !isStillFired(stream)) return fire(next, tick, 'hard-down', total, parameters);
  if (stream.stands && logMean(next.recovery) >= recoveredAt) return { ...next, stands: false };
  return next;
}

/** One nothing is enough for all the alternatives that have nothing building. */
function buildingAfter({ building }: Stream, { sum }: Evidence, { at, counts }: StreamTick): readonly Span[] {
  const nothing: Span = { since: at, requests: 0, bad: 0 };
  return building.map((span, k) => (sum[k]! > 0 ? extend(span, counts) : nothing));
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
): Pick<Stream, 'recovery' | 'recoverySince'> {
  const recovery = accumulateRecovery(stream.recovery, tick.observations, allowedBad);
  return isLost(recovery)
    ? { recovery: noRecovery, recoverySince: tick.at }
    : { recovery, recoverySince: stream.recoverySince };
}

function fire(
  stream: Stream,
  tick: StreamTick,
  rule: Fired['rule'],
  evidence: number,
  parameters: DetectorParameters,
): Stream {
  const span = likeliest(stream);
  return {
    countedFrom: stream.countedFrom,
    evidence: noEvidence(parameters),
    building: nothingBuilding(parameters, tick.at),
    recovery: noRecovery,
    recoverySince: tick.at,
    stands: true,
    fired: {
      at: tick.at,
      standsSince: stream.stands ? stream.fired!.standsSince : tick.at,
      since: isStillFired(stream) ? stream.fired!.since : span.since,
      rule,
      evidence,
      span,
    },
  };
}

/** The span of the alternative that the requests speak for most. */
const likeliest = ({ evidence: { sum }, building }: Stream): Span => building[sum.indexOf(Math.max(...sum))]!;

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
  | 'recoverySince'
  | 'counts'
  | 'allowedBad'
> {
  const { fired, stands } = stream;
  const view = {
    stands,
    evidence: stands ? fired!.evidence : Math.max(0, strength(stream.evidence)),
    evidenceThreshold: parameters.threshold,
    recovery: logMean(stream.recovery),
    recoverySince: stream.recoverySince,
    counts: stands ? fired!.span : windowCounts,
    allowedBad: parameters.allowedBad,
  };
  if (!fired) return view;
  const { at: firedAt, since, rule, standsSince } = fired;
  return stands ? { ...view, standsSince, firedAt, since, rule } : { ...view, firedAt, since, rule };
}
