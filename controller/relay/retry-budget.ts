/**
 * How many of a route's requests may be tried again: a share of those of the last ten seconds, and a few at any rate
 * (as Finagle's RetryBudget). Pure but for its own counts; time is given.
 */

export interface RetryBudget {
  /** A caller's request has come. */
  request(nowMs: number): void;
  /** Spends one retry; false when there is none to spend. */
  spend(nowMs: number): boolean;
}

export interface RetryLimits {
  /** Of the requests of the window. */
  readonly share: number;
  /** Retries in a window that are allowed whatever the share. */
  readonly minimum: number;
}

/** The window, counted second by second. */
const windowSeconds = 10;

interface Second {
  second: number;
  requests: number;
  retries: number;
}

export function createRetryBudget({ share, minimum }: RetryLimits): RetryBudget {
  const seconds = Array.from(
    { length: windowSeconds },
    (): Second => ({ second: -1, requests: 0, retries: 0 }),
  );

  function current(nowMs: number): Second {
    const second = Math.floor(nowMs / 1_000);
    const place = second % windowSeconds;
    const found = seconds[place]!;
    if (found.second === second) return found;
    const fresh = { second, requests: 0, retries: 0 };
    seconds[place] = fresh;
    return fresh;
  }

  return {
    request(nowMs) {
      current(nowMs).requests += 1;
    },
    spend(nowMs) {
      const now = current(nowMs);
      const window = seconds.filter(({ second }) => second > now.second - windowSeconds);
      const requests = window.reduce((sum, each) => sum + each.requests, 0);
      const retries = window.reduce((sum, each) => sum + each.retries, 0);
      if (retries + 1 > Math.max(minimum, share * requests)) return false;
      now.retries += 1;
      return true;
    },
  };
}
