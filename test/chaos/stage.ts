import type { Mode, Policy } from '@relaycore/rules';
import { policyOf } from '../support/scripted-reader.ts';

/* The routes and models that every seed plays with. */

export const models = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
export const routes = ['mail', 'chat', 'search'] as const;
export type RouteName = (typeof routes)[number];

/** Two routes share a backup, and one has a single gateway more than the others. */
export const targetsOf: Readonly<Record<RouteName, readonly [string, ...string[]]>> = {
  mail: ['a', 'b', 'c'],
  chat: ['d', 'e'],
  search: ['f', 'b'],
};
export const gatewaysOf: Readonly<Record<RouteName, number>> = { mail: 2, chat: 1, search: 1 };

/** Requests per second of each route. */
export const requestsPerSecond = 25;

/** When every seed begins, and how long things go wrong. */
export const startsAt = Date.parse('2026-11-02T08:00:00Z');
export const troubleMs = 12 * 60_000;
export const tickMs = 5_000;
export const probeEveryMs = 10_000;

/** Waits of hours are minutes here, so that a seed sees failovers and ways back; thresholds are as shipped. */
export function policyWith(searchMode: Mode): Policy {
  const failback =
    '{ canary_percent: 10, canary_minutes: 0.5, steps: [50, 100], step_minutes: 0.5, backoff_minutes: 1, backoff_cap_minutes: 4 }';
  return policyOf(`
detection: { tick_seconds: 5, ingestion_lag_seconds: 1, stale_seconds: 20, max_gap_seconds: 120 }
models: { ${models.map(model => `${model}: {}`).join(', ')} }
probes: { interval_seconds: 10, timeout_seconds: 5 }
approval: { expires_minutes: 3, rejected_minutes: 2 }
routes:
${routes.map(route => `  ${route}: { targets: [${targetsOf[route].join(', ')}], driver: { kind: dry-run }, mode: ${route === 'search' ? searchMode : 'auto'}, failback: ${failback} }`).join('\n')}
`);
}
