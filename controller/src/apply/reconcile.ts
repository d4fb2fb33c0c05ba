import { type Clock, systemClock } from '../clock.ts';
import type { Desired, GatewayDriver } from './driver.ts';

/** How the gateway stands to the desired state after it was told and read back. */
export type Reconciled =
  | { readonly kind: 'converged'; readonly changed: boolean }
  | { readonly kind: 'open'; readonly detail: string }
  | { readonly kind: 'conflict'; readonly detail: string };

export interface ReconcileOptions {
  /** False for a routine look, which then only speaks up when something differs. */
  readonly tell: boolean;
  /** Of each call to the gateway. */
  readonly timeoutMs: number;
  readonly clock?: Pick<Clock, 'deadline'>;
}

/**
 * Drives the gateway to the desired state and reads it back. Safe to repeat at any time: the state is absolute and the
 * generation fences it.
 */
export async function reconcile(
  driver: GatewayDriver,
  route: string,
  desired: Desired,
  { tell, timeoutMs, clock = systemClock }: ReconcileOptions,
): Promise<Reconciled> {
  const deadline = () => clock.deadline(timeoutMs);
  if (!tell) {
    const seen = await driver.verify(route, desired, deadline());
    if (seen.kind === 'converged') return { kind: 'converged', changed: false };
    if (seen.kind === 'unknown') return { kind: 'open', detail: seen.detail };
  }
  const applied = await driver.apply(route, desired, deadline());
  if (applied.kind === 'conflict') return { kind: 'conflict', detail: applied.detail };
  // Also after "applied" and "unknown": what counts is what the gateway holds now.
  const verified = await driver.verify(route, desired, deadline());
  if (verified.kind === 'converged') return { kind: 'converged', changed: applied.kind !== 'unchanged' };
  const detail = [applied, verified].flatMap(result => ('detail' in result ? result.detail : [])).join('; ');
  return { kind: 'open', detail };
}
