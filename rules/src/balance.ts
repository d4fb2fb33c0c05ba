import { byModel } from './by-model.ts';
import type { Policy } from './policy.ts';
import { type Profile, profilesOf } from './profiles/index.ts';
import { duration } from './promql.ts';
import type { ResourceQuery } from './resources.ts';
import type { BalanceFile, PolicyFile } from './schema.ts';

/** How a route spreads over its targets while they are healthy. Shares in percent of the route. */
export interface Balance {
  readonly by: readonly BalanceMeasure[];
  /** Those that take part, in the order of the route; the primary is among them. */
  readonly targets: readonly string[];
  readonly minimumPercent: number;
  readonly maximumPercent: number;
  /** No share moves by more at once. */
  readonly stepPercent: number;
  /** Time between two moves: at least the window over which latency and quality are measured. */
  readonly everyMs: number;
  /** A target with fewer requests in that window is not measured. */
  readonly minRequests: number;
}

export type BalanceMeasure = 'latency' | 'quality';

/** Steps that callers do not notice, and a share that is enough to be measured by. */
export const shippedBalance = {
  by: ['latency', 'quality'],
  minimumPercent: 5,
  maximumPercent: 90,
  stepPercent: 10,
} as const satisfies Partial<Balance>;

export function resolveBalance(
  written: BalanceFile,
  targets: readonly string[],
  alerts: PolicyFile['alert_settings'],
): Balance {
  const { by, minimum_percent, maximum_percent, step_percent, every_minutes } = written;
  return {
    by: by ?? shippedBalance.by,
    targets: targets.filter(target => written.targets?.includes(target) ?? true),
    minimumPercent: minimum_percent ?? shippedBalance.minimumPercent,
    maximumPercent: maximum_percent ?? shippedBalance.maximumPercent,
    stepPercent: step_percent ?? shippedBalance.stepPercent,
    everyMs: (every_minutes ?? alerts.evaluation_window_minutes) * 60_000,
    minRequests: alerts.min_requests_for_evaluation,
  };
}

/** Not a name that a signal or a resource can have. */
export const meanLatencyQuery = 'latency.mean';

/** The mean latency of all models in one query, where a route is balanced by it; else none. */
export function balanceQueries({ routes, models, alerts }: Policy): readonly ResourceQuery[] {
  if (!Object.values(routes).some(({ balance }) => balance?.by.includes('latency'))) return [];
  const window = duration(alerts.windowMinutes * 60);
  const means = profilesOf(Object.values(models)).flatMap(profile => meanLatency(profile, window) ?? []);
  return [{ name: meanLatencyQuery, promql: means.join(' or ') }];
}

/**
 * Seconds by model and version: of every request, and not estimated from buckets, whose edges are too far apart to
 * tell 300 ms from 500. Of several profiles that report a model the first is believed, as for the signals.
 */
function meanLatency({ latency, modelLabel, versionLabel }: Profile, window: string): string | undefined {
  if (!latency) return undefined;
  const grown = (part: 'sum' | 'count') =>
    byModel(
      ['', '_seconds'].map(unit => `increase(${latency.histogram}${unit}_${part}[${window}])`).join(' or '),
      modelLabel,
      versionLabel,
    );
  return `${grown('sum')} / ${grown('count')}`;
}
