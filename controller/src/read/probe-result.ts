import type { Counts, ProbeResult } from '../types.ts';

export type ProbeOutcome = ({ readonly durationMs: number } | { readonly failure: string }) & {
  readonly score?: number;
  readonly vouchesMs?: number;
  /** Golden requests of this look. */
  readonly counts?: Counts;
};

/** What a target's probes say after one more of them. */
export function probeResult(
  before: ProbeResult | undefined,
  at: number,
  { score, vouchesMs, counts, ...outcome }: ProbeOutcome,
): ProbeResult {
  const more = {
    ...(score !== undefined && { score }),
    ...(vouchesMs !== undefined && { vouchesMs }),
    ...(counts && { sent: added(before?.sent, counts) }),
  };
  if ('failure' in outcome) {
    const run = before?.kind === 'failed' ? before : { failures: 0, since: at };
    const { failure: reason } = outcome;
    return { kind: 'failed', at, reason, failures: run.failures + 1, since: run.since, ...more };
  }
  const recoveredAt = before?.kind === 'failed' ? at : before?.recoveredAt;
  const { durationMs } = outcome;
  return { kind: 'passed', at, durationMs, ...(recoveredAt !== undefined && { recoveredAt }), ...more };
}

const added = (before: Counts = { requests: 0, bad: 0 }, { requests, bad }: Counts): Counts => ({
  requests: before.requests + requests,
  bad: before.bad + bad,
});
