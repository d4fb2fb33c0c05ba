import type { FailbackFile } from './schema.ts';

/** How a route returns to its primary. */
export interface Failback {
  readonly canaryPercent: number;
  readonly canaryMs: number;
  /** Shares in percent after the canary, rising, the last one 100. */
  readonly steps: readonly number[];
  readonly stepMs: number;
  readonly backoffMs: number;
  readonly backoffCapMs: number;
}

/** Unless the policy says otherwise: a morning's caution. */
const shippedFailback: Failback = {
  canaryPercent: 5,
  canaryMs: 30 * 60_000,
  steps: [25, 100],
  stepMs: 5 * 60_000,
  backoffMs: 15 * 60_000,
  backoffCapMs: 240 * 60_000,
};

export function resolveFailback(written: FailbackFile = {}): Failback {
  const canaryPercent = written.canary_percent ?? shippedFailback.canaryPercent;
  return {
    canaryPercent,
    canaryMs: minutes(written.canary_minutes) ?? shippedFailback.canaryMs,
    steps: (written.steps ?? shippedFailback.steps).filter(percent => percent > canaryPercent),
    stepMs: minutes(written.step_minutes) ?? shippedFailback.stepMs,
    backoffMs: minutes(written.backoff_minutes) ?? shippedFailback.backoffMs,
    backoffCapMs: minutes(written.backoff_cap_minutes) ?? shippedFailback.backoffCapMs,
  };
}

const minutes = (value: number | undefined) => (value === undefined ? undefined : value * 60_000);
