/**
 * What one kind of server calls its metrics. A profile holds names and labels only; `expressions.ts` turns them into
 * PromQL, so that a new kind of model server is one small file.
 */
export interface Profile {
  readonly name: string;
  /** Where the readings are taken: inside the model server, or at the gateway (what callers got). */
  readonly vantage: 'server' | 'gateway';
  readonly modelLabel: string;
  readonly versionLabel?: string;
  readonly success?: {
    /** Counter with one series per outcome. */
    readonly counter: string;
    readonly outcomeLabel: string;
    readonly bad: readonly string[];
    /** Outcomes that say nothing about the model: the caller left. */
    readonly ignored: readonly string[];
    /** Kinds of error that are the caller's fault, not the model's. */
    readonly callersFault?: { readonly label: string; readonly values: readonly string[] };
  };
  readonly latency?: {
    /** Histogram in seconds, without the `_bucket` suffix. */
    readonly histogram: string;
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
