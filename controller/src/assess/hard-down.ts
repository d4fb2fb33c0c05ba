import type { Counts } from '../types.ts';

/** Failures in a row: what catches the outage of a quiet model, before any minimum of requests. */
export interface FailureRun {
  readonly failures: number;
  /** The last tick before the first failure. */
  readonly since: number;
}

export const noFailures = (at: number): FailureRun => ({ failures: 0, since: at });

/** A tick without requests says nothing; one success ends the run. */
export function addToRun(run: FailureRun, at: number, { requests, bad }: Counts): FailureRun {
  if (requests === 0) return run.failures === 0 ? noFailures(at) : run;
  return bad >= requests ? { failures: run.failures + requests, since: run.since } : noFailures(at);
}

export interface HardDownRule {
  readonly failures: number;
  readonly forMs: number;
}

export function isHardDown(run: FailureRun, at: number, rule: HardDownRule | undefined): boolean {
  return rule !== undefined && run.failures >= rule.failures && at - run.since >= rule.forMs;
}
