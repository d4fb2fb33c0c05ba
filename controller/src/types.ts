import type { BuiltInName, CauseKind, Level, Mode, SignalName, Unit } from '@relaycore/rules';
import type { Silence } from './assess/silence.ts';
import type { Trend } from './assess/trend.ts';
import type { Rate } from './assess/window.ts';

/*
 * The nouns between the verbs. `read` makes readings, `assess` assessments, `decide` decisions; `apply` and `record`
 * take decisions. Times are epoch milliseconds.
 */

/**
 * Where a reading was taken: what callers got, what the model server saw, a request of the controller's own, or counters
 * that a policy adds, which may be anybody's and outlive the server.
 */
export type Vantage = 'gateway' | 'server' | 'probe' | 'elsewhere';

/** So many requests (or scores) of one tick were bad to this degree; see `Signal` in the rules. */
export interface Observation {
  /** From 0 (good) to 1 (bad). */
  readonly badness: number;
  readonly count: number;
}

/** What one tick says about one model and signal. */
export type Reading =
  | {
      readonly kind: 'counts';
      readonly vantage: Vantage;
      /** How many of the bad requests were refused because a quota was spent. */
      readonly overQuota?: number;
      /** The levels differ for latency only, where each has its own edge. */
      readonly levels: Readonly<Record<Level, readonly Observation[]>>;
    }
  | { readonly kind: 'absent'; readonly reason: string };

/** By signal: the built-in ones and those that the policy adds. */
export interface SignalReadings extends Readonly<Record<BuiltInName, Reading>> {
  readonly [signal: SignalName]: Reading;
}

/** A resource now, at the worst of the model's instances. */
export interface GaugeReading {
  readonly value: number;
  readonly instance?: string;
}

/** By model and resource; only what has a value. */
export type ResourceReadings = ReadonlyMap<string, ReadonlyMap<string, GaugeReading>>;

/** Mean seconds of a request over the evaluation window, of every model that had any. */
export interface MeanLatencies {
  readonly seconds: ReadonlyMap<string, number>;
  /** Why they could not be asked for. */
  readonly problem?: string;
}

export interface Readings {
  /** The instant that Prometheus was asked about. */
  readonly at: number;
  readonly models: ReadonlyMap<string, SignalReadings>;
  /** Of the requests, those that no caller waits for. */
  readonly copies?: ReadonlyMap<string, number>;
  /** The PromQL behind them, for the decision record. */
  readonly queries: Readonly<Record<SignalName, string>>;
  readonly resources: ResourceReadings;
  /** Where a route is balanced by them. */
  readonly latencies?: MeanLatencies;
  /** Why a signal that the policy adds, or a resource, could not be asked for. */
  readonly failures?: ReadonlyMap<SignalName, string>;
  /** What went wrong, when something did; verdicts are then unknown. */
  readonly problem?: string;
}

/** Unknown is never unhealthy and never healthy. */
export type Verdict =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'degraded'; readonly level: Level; readonly signal: SignalName; readonly since: number }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Requests and the sum of their badness. */
export interface Counts {
  readonly requests: number;
  readonly bad: number;
}

/** One signal at one level, with the numbers behind it. */
export interface LevelAssessment {
  readonly level: Level;
  readonly stands: boolean;
  /** Since when it stands without a break; a verdict fires again and again while the trouble goes on. */
  readonly standsSince?: number;
  /** When the verdict last fired; absent when it never did since the process started. */
  readonly firedAt?: number;
  /** When the evidence that fired began to build up: the estimated time of the change. */
  readonly since?: number;
  readonly rule?: 'shiryaev-roberts' | 'hard-down' | 'unreachable' | 'resource';
  /** ln of the mean statistic, in nats; held at its firing value while the verdict stands. */
  readonly evidence: number;
  readonly evidenceThreshold: number;
  /** ln of the wealth of a bet that the model is good again, and since when it is counted. */
  readonly recovery: number;
  /** By how much it has risen since its lowest, in nats: what the latest requests say. */
  readonly recoveryRise: number;
  readonly recoverySince: number;
  /** Mean badness, over the evidence while the verdict stands, else over the evaluation window. */
  readonly counts: Counts;
  readonly allowedBad: number;
  /** The policy's own threshold and its unit; infinite where a resource has none at this level. */
  readonly threshold: number;
  readonly unit: Unit;
}

/** A signal, or a resource in its form. */
export interface SignalAssessment {
  readonly signal: SignalName;
  readonly verdict: Verdict;
  readonly vantage?: Vantage;
  readonly levels: Readonly<Record<Level, LevelAssessment>>;
  /** Requests in the evaluation window. */
  readonly requests: number;
  /** Of a resource: its last value, which no evidence stands behind. */
  readonly resource?: ResourceAssessment;
  readonly trend?: Trend;
  /** How long after an answer its score may still come. */
  readonly labelDelayMs?: number;
  /** Of success: requests a second in the tenths of the evaluation window, the newest first. */
  readonly rates?: readonly Rate[];
  /** Of success: the share of the failures of late that a spent quota refused; absent when none did. */
  readonly overQuotaShare?: number;
}

export interface ResourceAssessment extends GaugeReading {
  readonly seenAt: number;
  /** How long it has to be above the threshold, and below `clearBelow` again. */
  readonly forMs: number;
  readonly clearBelow: number;
}

export interface Assessment {
  readonly model: string;
  readonly version?: string;
  readonly at: number;
  /** The worst of the signals. */
  readonly verdict: Verdict;
  readonly silence?: Silence;
  /** Put together when first asked for: of the model as it is then. */
  readonly signals: readonly SignalAssessment[];
}

/** What the probes of one target said last. */
export type ProbeResult = {
  /** Mean score of the golden requests that have a label or a score. */
  readonly score?: number;
  /** How long it may vouch for the target, where that does not follow from the policy's interval. */
  readonly vouchesMs?: number;
  /** Golden requests since the controller started, and how many of them failed. */
  readonly sent?: Counts;
} & (
  | {
      readonly kind: 'passed';
      readonly at: number;
      readonly durationMs: number;
      /** When it passed again after it had failed. */
      readonly recoveredAt?: number;
    }
  | {
      readonly kind: 'failed';
      readonly at: number;
      readonly reason: string;
      readonly failures: number;
      readonly since: number;
    }
);

/** Shares of a route in basis points; they sum to 10000. */
export type Weights = Readonly<Record<string, number>>;

export interface Cause {
  readonly signal: SignalName | 'manual';
  readonly reason: string;
  /** What the policy may treat apart on the way back. */
  readonly kind?: CauseKind;
}

/** Where a route stands in its life; `since` is when it came there. */
export type Phase =
  | { readonly kind: 'primary'; readonly since: number }
  /** Every healthy target serves, by how it does; `since` is the last step. */
  | { readonly kind: 'balanced'; readonly since: number }
  | { readonly kind: 'failed_over'; readonly to: string; readonly since: number; readonly cause: Cause }
  | { readonly kind: 'probing'; readonly to: string; readonly since: number; readonly cause: Cause }
  | {
      readonly kind: 'ramping';
      readonly to: string;
      readonly since: number;
      readonly cause: Cause;
      readonly step: number;
    };

/** A person's hand on a route: until it expires nothing moves by itself, and the traffic stays as it is. */
export interface Freeze {
  readonly actor: string;
  readonly reason: string;
  readonly expiresAt: number;
}

/** A pin: the same, with all traffic on one target. */
export interface Override extends Freeze {
  readonly target: string;
}

/** The memory of past failovers that makes the next wait longer. */
export interface Backoff {
  readonly level: number;
  /** When the primary last got all its traffic back. */
  readonly returnedAt?: number;
}

/** The desired state of a route, as committed. */
export interface RouteState {
  readonly route: string;
  readonly generation: number;
  readonly weights: Weights;
  readonly phase: Phase;
  readonly backoff: Backoff;
  readonly override?: Override;
  readonly freeze?: Freeze;
  readonly updatedAt: number;
}

export type ReasonCode =
  | 'healthy'
  | 'warning'
  | 'old_verdict'
  | 'recovering'
  | 'unknown'
  | 'pinned'
  | 'frozen'
  | 'degraded'
  | 'backup_degraded'
  | 'canary_degraded'
  | 'ramp_degraded'
  | 'incident'
  | 'too_many_switches'
  | 'looking_first'
  | 'no_vetted_backup'
  | 'more_room'
  | 'all_degraded'
  | 'backing_off'
  | 'primary_not_vetted'
  | 'canary_time'
  | 'step_time'
  | 'not_proven'
  | 'proven'
  | 'probes_passed'
  | 'measured'
  | 'not_measured'
  | 'balanced'
  | 'balance_time'
  | 'not_balanced'
  | 'manual';

/** A target that was weighed when the route needed one. */
export interface Alternative {
  readonly model: string;
  readonly verdict: Verdict;
  readonly vetted: boolean;
  readonly chosen: boolean;
  readonly why: string;
}

interface Explained {
  readonly reason: ReasonCode;
  /** The reason for people, with its numbers. */
  readonly words: string;
  readonly signal?: SignalName;
  /** The assessment that the decision rests on. */
  readonly evidence?: SignalAssessment;
  readonly alternatives?: readonly Alternative[];
}

/** One value for the API, the database, the metrics and the log; also when nothing happens. */
export type Decision =
  | (Explained & {
      readonly kind: 'hold' | 'exhausted';
      /** What would be done if no person's hand were on the route. */
      readonly otherwise?: Decision;
    })
  | (Explained & {
      readonly kind: 'failover' | 'probe' | 'ramp' | 'failback' | 'balance';
      readonly from: string;
      readonly to: string;
      readonly next: Pick<RouteState, 'weights' | 'phase' | 'backoff'>;
    });

export type Change = Extract<Decision, { next: unknown }>;

export const isChange = (decision: Decision): decision is Change => 'next' in decision;

/** Open until a person decides, or until it ends by itself; see `decide/propose.ts`. */
export type ProposalStatus = 'open' | 'approved' | 'rejected' | 'expired' | 'withdrawn' | 'superseded';

/** A change that the route's mode leaves to a person. */
export interface Proposal {
  readonly id: number;
  readonly route: string;
  /** Of the state that it would change. */
  readonly generation: number;
  readonly mode: Mode;
  readonly kind: Change['kind'];
  readonly from: string;
  readonly to: string;
  readonly words: string;
  /** What it rests on, as a switch event has it. */
  readonly decision: unknown;
  readonly status: ProposalStatus;
  readonly proposedAt: number;
  /** Nobody is waited for longer. */
  readonly expiresAt?: number;
  readonly closedAt?: number;
  /** Who decided about it, and what they said. */
  readonly actor?: string;
  readonly comment?: string;
}

/** The target that carries most of the route. */
export function serving(weights: Weights): string {
  return Object.entries(weights).reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}
