import type { FailbackFile, FailbackStepsFile } from './schema.ts';

/** What a route was left for. A spent quota comes back by itself; answers that got worse do not. */
export const causeKinds = ['quota', 'errors', 'latency', 'quality', 'resource'] as const;
export type CauseKind = (typeof causeKinds)[number];

/** How a route returns to its primary: in general, and where it was left for one of these causes. */
export interface Failback extends FailbackSteps {
  readonly causes: Readonly<Record<CauseKind, FailbackSteps>>;
}

export interface FailbackSteps {
  readonly canaryPercent: number;
  readonly canaryMs: number;
  /** Shares in percent after the canary, rising, the last one 100. */
  readonly steps: readonly number[];
  readonly stepMs: number;
  readonly backoffMs: number;
  readonly backoffCapMs: number;
}

/** Unless the policy says otherwise: a morning's caution. */
const shipped: FailbackStepsFile = {
  canary_percent: 5,
  canary_minutes: 30,
  steps: [25, 100],
  step_minutes: 5,
  backoff_minutes: 15,
  backoff_cap_minutes: 240,
};

/** A quota is filled up again by itself, and a full one is as good as ever: no need to wait long for it. */
const sooner = ({ canary_minutes: canary, backoff_minutes: backoff }: FailbackStepsFile) => ({
  canary_minutes: Math.min(5, canary!),
  backoff_minutes: Math.min(2, backoff!),
});

export function resolveFailback({ causes = {}, ...written }: FailbackFile = {}): Failback {
  const general = { ...shipped, ...written };
  return {
    ...inUnits(general),
    causes: {
      quota: inUnits({ ...general, ...sooner(general), ...causes.quota }),
      errors: inUnits({ ...general, ...causes.errors }),
      latency: inUnits({ ...general, ...causes.latency }),
      quality: inUnits({ ...general, ...causes.quality }),
      resource: inUnits({ ...general, ...causes.resource }),
    },
  };
}

function inUnits(written: FailbackStepsFile): FailbackSteps {
  const canaryPercent = written.canary_percent!;
  return {
    canaryPercent,
    canaryMs: minutes(written.canary_minutes!),
    steps: written.steps!.filter(percent => percent > canaryPercent),
    stepMs: minutes(written.step_minutes!),
    backoffMs: minutes(written.backoff_minutes!),
    backoffCapMs: minutes(written.backoff_cap_minutes!),
  };
}

const minutes = (value: number) => value * 60_000;
