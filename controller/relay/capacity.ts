/** How much of what a target can take is taken. Counts of one process; time is given. */

export interface Capacity<T extends Limited> {
  hasRoom(target: T, nowMs: number): boolean;
  /** Takes a place, also where there is no room. Call what it returns once, when the request is over. */
  take(target: T, nowMs: number): () => void;
}

/** Infinity where there is no limit. */
export interface Limited {
  readonly capacity: { readonly requestsPerSecond: number; readonly inFlight: number };
}

/** A rate may be used up in bursts of a tenth of a second. */
const burstSeconds = 0.1;

interface Use {
  inFlight: number;
  /** Requests that may come at once; a token bucket. */
  tokens: number;
  filledMs: number;
}

export function createCapacity<T extends Limited>(targets: readonly T[], nowMs: number): Capacity<T> {
  const uses = new Map(
    targets.map(target => [target, { inFlight: 0, tokens: burstOf(target), filledMs: nowMs }]),
  );

  function use(target: T, nowMs: number): Use {
    const found = uses.get(target)!;
    const grown = ((nowMs - found.filledMs) / 1_000) * target.capacity.requestsPerSecond;
    // 0 × Infinity is no number.
    if (nowMs > found.filledMs) found.tokens = Math.min(burstOf(target), found.tokens + grown);
    found.filledMs = nowMs;
    return found;
  }

  return {
    hasRoom(target, nowMs) {
      const { inFlight, tokens } = use(target, nowMs);
      return inFlight < target.capacity.inFlight && tokens >= 1;
    },
    take(target, nowMs) {
      const taken = use(target, nowMs);
      taken.inFlight += 1;
      taken.tokens = Math.max(0, taken.tokens - 1);
      return () => {
        taken.inFlight -= 1;
      };
    },
  };
}

function burstOf({ capacity }: Limited): number {
  return Math.max(1, capacity.requestsPerSecond * burstSeconds);
}
