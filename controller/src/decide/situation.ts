import type { Route } from '@relaycore/rules';
import type { Incident } from '../assess/incident.ts';
import type { Assessment, MeanLatencies, ProbeResult, RouteState } from '../types.ts';

/** Everything a decision rests on; nothing else is looked at. */
export interface Situation {
  readonly route: Route;
  readonly state: RouteState;
  readonly assessments: ReadonlyMap<string, Assessment>;
  readonly probes: ReadonlyMap<string, ProbeResult>;
  /** Models that went critical together; their routes stay where they are. */
  readonly incident?: Incident;
  /** How much was moved lately; without it nothing is too much. */
  readonly lately?: Lately;
  /** Where a route is balanced by them. */
  readonly latencies?: MeanLatencies;
  /** The gateway holds no shares: all traffic goes to one target. */
  readonly allOrNothing?: boolean;
  readonly now: number;
  /** A probe or an assessment older than this vouches for nobody. */
  readonly freshMs: number;
}

/** Models that automatic failovers have left within `withinMs`, and how many may be. */
export interface Lately {
  readonly left: ReadonlySet<string>;
  readonly atMost: number;
  readonly withinMs: number;
}
