import type { Counts } from '../types.ts';
import { inSixHours, lately, type Window } from './window.ts';

/** Slow change, as information: it raises no verdict and moves nothing. */
export interface Trend {
  readonly direction: 'worse' | 'better' | 'steady';
  /** Mean badness of the last half hour or a little more, and of the hours before it. */
  readonly recent: number;
  readonly before: number;
  /** Difference in standard errors of a two-sample comparison; `worse` from +4, `better` from −4. */
  readonly z: number;
}

const significant = 4;

/** Undefined while either side has fewer than `minimum` requests. */
export function trendOf(window: Window, at: number, minimum: number): Trend | undefined {
  const recent = lately(window, at);
  const before = difference(inSixHours(window, at), recent);
  if (recent.requests < minimum || before.requests < minimum) return undefined;
  const [p, q] = [mean(recent), mean(before)];
  const pooled = (recent.bad + before.bad) / (recent.requests + before.requests);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / recent.requests + 1 / before.requests));
  const z = error > 0 ? (p - q) / error : 0;
  return {
    recent: p,
    before: q,
    z,
    direction: z >= significant ? 'worse' : z <= -significant ? 'better' : 'steady',
  };
}

const mean = ({ requests, bad }: Counts) => bad / requests;

const difference = (all: Counts, part: Counts): Counts => ({
  requests: all.requests - part.requests,
  bad: Math.max(0, all.bad - part.bad),
});
