import type { ProbeResult } from '../types.ts';

/** What a target's probes say after one more of them. */
export function probeResult(
  before: ProbeResult | undefined,
  at: number,
  outcome: { readonly durationMs: number } | { readonly failure: string },
): ProbeResult {
  if ('failure' in outcome) {
    const run = before?.kind === 'failed' ? before : { failures: 0, since: at };
    return { kind: 'failed', at, reason: outcome.failure, failures: run.failures + 1, since: run.since };
  }
  const recoveredAt = before?.kind === 'failed' ? at : before?.recoveredAt;
  return {
    kind: 'passed',
    at,
    durationMs: outcome.durationMs,
    ...(recoveredAt !== undefined && { recoveredAt }),
  };
}
