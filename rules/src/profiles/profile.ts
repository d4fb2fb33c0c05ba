/**
 * What one kind of server calls its metrics. A profile holds names and labels only; `expressions.ts` turns them into
 * PromQL, so that a new kind of model server is one small file.
 */
export interface Profile {
  readonly name: string;
  /** Where the readings are taken: inside the model server, or at the gateway (what callers got). */
  readonly vantage: 'server' | 'gateway';
  /** Of a server that names no model, a label that its scrape configuration adds. */
  readonly modelLabel: string;
  readonly versionLabel?: string;
  /** Together these count every request once. */
  readonly success?: readonly OutcomeCounter[];
  readonly latency?: {
    /** Histogram in seconds, without the suffix of the unit and `_bucket`: it is found with and without the unit. */
    readonly histogram: string;
    /** Its edges as the server comes, in seconds. */
    readonly edgesSeconds: readonly number[];
  };
  readonly scores?: {
    /** Histogram of scores in [0, 1], without the `_bucket` suffix. */
    readonly histogram: string;
    readonly nameLabel: string;
  };
  readonly feedback?: {
    /** Histogram of ratings in [0, 1], without the `_bucket` suffix. */
    readonly histogram: string;
  };
}

/** A counter of requests, or of some of them: those that went well, those that failed. */
export interface OutcomeCounter {
  readonly counter: string;
  /** Whether they were bad: all, none, or those that a label tells. */
  readonly bad: boolean | LabelValues;
  /** Those of the bad ones that were refused because a quota or rate limit was spent: nothing is wrong with the model. */
  readonly quota?: LabelValues;
  /** Requests that say nothing about the model: the caller left, or asked for what there is not. */
  readonly ignored?: readonly LabelValues[];
}

export interface LabelValues {
  readonly label: string;
  /** Regular expressions that match whole values, as Prometheus does. */
  readonly values: readonly string[];
}
