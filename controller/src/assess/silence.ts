/** How often requests come to one model, and when the last one came; brought up to date in place. */
export interface Traffic {
  lastAt: number;
  /** The hour since the epoch that is under way, its requests, and how much of it was seen. */
  hour: number;
  requests: number;
  seenMs: number;
  /** Requests in the quietest whole hour of the day under way; null while it has none. */
  quietest: number | null;
  /** The same of the last seven days that had one, newest first. */
  days: number[];
}

/** No request for longer than even the quietest hour explains. */
export interface Silence {
  /** The last request. */
  readonly since: number;
  /** A silence of this length was to be believed. */
  readonly believedAfterMs: number;
}

const hourMs = 3_600_000;
const daysKept = 7;
const shortestMs = 30_000;
/** An hour of which less was seen says too little about how quiet it was. */
const wholeHour = 0.9;

export const noTraffic = (at: number): Traffic => ({
  lastAt: at,
  hour: Math.floor(at / hourMs),
  requests: 0,
  seenMs: 0,
  quietest: null,
  days: [],
});

export function addToTraffic(traffic: Traffic, at: number, tickMs: number, requests: number): void {
  const hour = Math.floor(at / hourMs);
  if (hour !== traffic.hour) closeHour(traffic, hour);
  traffic.requests += requests;
  traffic.seenMs += tickMs;
  if (requests > 0) traffic.lastAt = at;
}

function closeHour(traffic: Traffic, hour: number): void {
  const { requests, seenMs, quietest } = traffic;
  if (seenMs >= wholeHour * hourMs) traffic.quietest = Math.min(quietest ?? requests, requests);
  if (dayOf(hour) !== dayOf(traffic.hour) && traffic.quietest !== null) {
    traffic.days = [traffic.quietest, ...traffic.days].slice(0, daysKept);
    traffic.quietest = null;
  }
  traffic.hour = hour;
  traffic.requests = 0;
  traffic.seenMs = 0;
}

const dayOf = (hour: number) => Math.floor(hour / 24);

/**
 * Requests that come at random at λ leave a gap of t with a chance of e^{−λt}: lnA/λ without any is as unlikely as a
 * false verdict. λ is that of the quietest hour of the last days, so nothing is believed before a day was seen, nor of
 * a model that has idle hours.
 * @param threshold ln A, in nats
 */
export function silenceOf({ lastAt, days }: Traffic, at: number, threshold: number): Silence | undefined {
  if (at - lastAt < shortestMs || days.length === 0) return undefined;
  const perMs = Math.min(...days) / hourMs;
  const believedAfterMs = Math.max(shortestMs, threshold / perMs);
  return at - lastAt >= believedAfterMs ? { since: lastAt, believedAfterMs } : undefined;
}
