import type { Counts } from '../types.ts';

/**
 * Requests and badness of the last six hours in one-minute and half-hour buckets. Only the newest bucket changes on a
 * tick, so that a step costs no copy of the rest.
 */
export interface Window {
  readonly current: Bucket;
  /** Newest first. */
  readonly past: readonly Bucket[];
}

interface Bucket extends Counts {
  readonly start: number;
  readonly end: number;
}

const minuteMs = 60_000;
const fineMs = 10 * minuteMs;
const coarseMs = 30 * minuteMs;
const longestMs = 6 * 60 * minuteMs;

/** The windows in which the minimum of requests may be reached: a quiet model is given time instead of being ignored. */
const patienceMs = [10, 30, 60, 120, 360].map(minutes => minutes * minuteMs);

export function emptyWindow(at: number): Window {
  return { current: { start: at, end: at, requests: 0, bad: 0 }, past: [] };
}

export function addToWindow(window: Window, at: number, { requests, bad }: Counts): Window {
  const { current, past } = window;
  if (at - current.start < minuteMs)
    return {
      past,
      current: {
        start: current.start,
        end: at,
        requests: current.requests + requests,
        bad: current.bad + bad,
      },
    };
  return { current: { start: current.end, end: at, requests, bad }, past: coarsen([current, ...past], at) };
}

/** Minutes older than ten are joined into half hours, and those older than six hours are dropped. */
function coarsen(buckets: readonly Bucket[], at: number): Bucket[] {
  const kept: Bucket[] = [];
  for (const bucket of buckets) {
    if (at - bucket.end > longestMs) break;
    const newer = kept.at(-1);
    const joinable = newer && at - newer.end > fineMs && newer.end - bucket.start <= coarseMs;
    if (joinable) kept[kept.length - 1] = join(newer, bucket);
    else kept.push(bucket);
  }
  return kept;
}

const join = (newer: Bucket, older: Bucket): Bucket => ({
  start: older.start,
  end: newer.end,
  requests: newer.requests + older.requests,
  bad: newer.bad + older.bad,
});

/** Requests and badness of the buckets that end within the last `ms`. */
export function countsWithin({ current, past }: Window, at: number, ms: number): Counts {
  let { requests, bad } = current;
  for (const bucket of past) {
    if (at - bucket.end > ms) break;
    requests += bucket.requests;
    bad += bucket.bad;
  }
  return { requests, bad };
}

/** True when the smallest window that holds `minimum` requests is at most six hours long. */
export function hasEnough(window: Window, at: number, minimum: number): boolean {
  return patienceMs.some(ms => countsWithin(window, at, ms).requests >= minimum);
}
