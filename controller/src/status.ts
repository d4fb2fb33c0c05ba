import type { Confirmation } from './apply/confirm.ts';
import type { Reconciled } from './apply/reconcile.ts';
import type { Incident } from './assess/incident.ts';
import type { Assessment, Decision, Proposal, RouteState } from './types.ts';

/** What the controller knows after a tick, for the API and the metrics. */
export interface Status {
  readonly at: number;
  /** Why verdicts are unknown or nothing can be decided, when something is down. */
  readonly problem?: string;
  readonly assessments: ReadonlyMap<string, Assessment>;
  readonly routes: ReadonlyMap<string, RouteStatus>;
  /** Many models that went critical together. */
  readonly incident?: Incident;
}

export interface RouteStatus {
  readonly state: RouteState;
  readonly decision: Decision;
  /** Since when this is decided without a break. */
  readonly since: number;
  /** What waits for a person. */
  readonly proposal?: Proposal;
  readonly gateway: Reconciled;
  /** What the metrics say of it; absent until a round is over. */
  readonly traffic?: Confirmation;
}
