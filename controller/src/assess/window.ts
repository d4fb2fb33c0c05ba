import type { Counts } from '../types.ts';

/**
 * Requests and badness of the last six hours in one-minute and half-hour buckets. Only the newest bucket changes on a
 * tick, so that a step costs no copy of the rest.
 */
export interface Window {
  readonly current: Buckets;
  /** Newest first. */
  readonly past: Buckets;
}

/**
 * Start, end, requests and badness of one bucket after the other. Plain numbers in a row take a fifth of the memory
 * that objects would, which is what counts for thousands of models.
 */
type Buckets = readonly number[];
const [start, end, requests, bad, bucketSize] = [0, 1, 2, 3, 4];

const minuteMs = 60_000;
const fineMs = 10 * minuteMs;
const coarseMs = 30 * minuteMs;
const longestMs = 6 * 60 * minuteMs;

/** The windows in which the minimum of requests may be reached: a quiet model is given time instead of being ignored. */
const patienceMs = [10, 30, 60, 120, 360].map(minutes => minutes * minuteMs);

export function emptyWindow(at: number): Window {
  return { current: [at, at, 0, 0], past: [] };
}

export function addToWindow({ current, past }: Window, at: number, added: Counts): Window {
  if (at - current[start]! < minuteMs)
    return {
      past,
      current: [current[start]!, at, current[requests]! + added.requests, current[bad]! + added.bad],
    };
  return {
    past: coarsen([...current, ...past], at),
    current: [current[end]!, at, added.requests, added.bad],
  };
}

/** Minutes older than ten are joined into half hours, and those older than six hours are dropped. */
function coarsen(buckets: Buckets, at: number): Buckets {
  const kept: number[] = [];
  for (let older = 0; older < buckets.length; older += bucketSize) {
    if (at - buckets[older + end]! > longestMs) break;
    const newer = kept.length - bucketSize;
    const joinable =
      newer >= 0 &&
      at - kept[newer + end]! > fineMs &&
      kept[newer + end]! - buckets[older + start]! <= coarseMs;
    if (joinable) {
      kept[newer + start] = buckets[older + start]!;
      kept[newer + requests]! += buckets[older + requests]!;
      kept[newer + bad]! += buckets[older + bad]!;
    } else for (let column = 0; column < bucketSize; column++) kept.push(buckets[older + column]!);
  }
  return kept;
}

/** Requests and badness of the buckets that end within the last `ms`. */
export function countsWithin({ current, past }: Window, at: number, ms: number): Counts {
  const counts = { requests: current[requests]!, bad: current[bad]! };
  for (let bucket = 0; bucket < past.length && at - past[bucket + end]! <= ms; bucket += bucketSize) {
    counts.requests += past[bucket + requests]!;
    counts.bad += past[bucket + bad]!;
  }
  return counts;
}

/** True when the smallest window that holds `minimum` requests is at most six hours long. */
export function hasEnough(window: Window, at: number, minimum: number): boolean {
  return patienceMs.some(ms => countsWithin(window, at, ms).requests >= minimum);
}
