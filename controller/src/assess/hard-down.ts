import type { Counts } from '../types.ts';

/** Failures in a row, brought up to date in place: what catches the outage of a quiet model, before any minimum. */
export interface FailureRun {
  failures: number;
  /** The last tick before the first failure. */
  since: number;
}

export const noFailures = (at: number): FailureRun => ({ failures: 0, since: at });

/** A tick without requests says nothing; one success ends the run. */
export function addToRun(run: FailureRun, at: number, { requests, bad }: Counts): void {
  if (requests === 0 ? run.failures === 0 : bad < requests) endRun(run, at);
  else run.failures += requests;
}

export function endRun(run: FailureRun, at: number): void {
  run.failures = 0;
  run.since = at;
}

export interface HardDownRule {
  readonly failures: number;
  readonly forMs: number;
}

export function isHardDown(run: FailureRun, at: number, rule: HardDownRule | undefined): boolean {
  return rule !== undefined && run.failures >= rule.failures && at - run.since >= rule.forMs;
}
