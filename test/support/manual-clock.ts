/** Time that only the test moves; fits the controller's `Clock`. */
export interface ManualClock {
  /** Epoch milliseconds. */
  now(): number;
  /** Resolves once `ms` have been advanced, or rejects when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** In real time: what a test waits for there are real servers. */
  deadline(ms: number): AbortSignal;
  advance(ms: number): void;
  /** How many sleep now. Advance only once those who should notice it do. */
  sleeping(): number;
}

/** @param startsAt epoch milliseconds */
export function manualClock(startsAt = Date.parse('2026-11-02T08:00:00Z')): ManualClock {
  let now = startsAt;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  return {
    now: () => now,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const sleeper = { until: now + ms, wake: resolve };
      sleepers.add(sleeper);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      await promise.finally(() => sleepers.delete(sleeper));
    },
    deadline: ms => AbortSignal.timeout(ms),
    advance(ms) {
      now += ms;
      for (const sleeper of [...sleepers].filter(({ until }) => until <= now)) {
        sleepers.delete(sleeper);
        sleeper.wake();
      }
    },
    sleeping: () => sleepers.size,
  };
}
