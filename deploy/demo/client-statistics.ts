import type { PopulationName } from './mail/population.ts';

/** How one request ended. `failed` is an answer that is no good, `lost` is no answer at all. */
export type Outcome = 'answered' | 'failed' | 'lost';

export interface Answer {
  readonly outcome: Outcome;
  /** When the request was sent and when its fate was known, in epoch milliseconds. */
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  readonly latencySeconds: number;
  readonly population: PopulationName;
  /** The model that served, by the gateway's own word; absent when it did not say. */
  readonly model: string | undefined;
  /** Whether the classification is true; absent unless answered. */
  readonly correct: boolean | undefined;
}

/** Requests by the time they were sent. `sent` is answered + failed + lost + still in flight. */
export interface Summary {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly lost: number;
  readonly correct: number;
  /** correct / answered; absent when nothing was answered. */
  readonly accuracy: number | undefined;
  /** Of answered requests. */
  readonly latencyP50Seconds: number | undefined;
  readonly latencyP99Seconds: number | undefined;
  /** Answered requests by the model that served them. */
  readonly servedBy: Readonly<Record<string, number>>;
}

/** A summary of the requests sent within the second that begins at `atMs` (epoch milliseconds). */
export interface Second extends Summary {
  readonly atMs: number;
}

export interface ClientStatistics {
  recordSent(atMs: number): void;
  recordAnswer(answer: Answer): void;
  /** Since the start. */
  totals(): Pick<Summary, Outcome | 'sent' | 'correct'>;
  /** The last kept seconds, oldest first; a second without requests is left out. */
  seconds(): Second[];
  /** Requests sent in the whole seconds from the one of `fromMs` until before the one of `untilMs`. */
  between(fromMs: number, untilMs: number): Summary;
}

/** Keeps one bucket a second, for the last `keepSeconds` seconds; totals are never forgotten. */
export function createStatistics(keepSeconds = 900): ClientStatistics {
  const totals = { sent: 0, answered: 0, failed: 0, lost: 0, correct: 0 };
  const buckets = new Map<number, Bucket>();

  return {
    recordSent(atMs) {
      const second = Math.floor(atMs / 1000);
      const bucket = buckets.get(second) ?? emptyBucket();
      buckets.set(second, bucket);
      bucket.sent += 1;
      totals.sent += 1;
      for (const oldest of buckets.keys()) {
        if (oldest > second - keepSeconds) break;
        buckets.delete(oldest);
      }
    },
    recordAnswer(answer) {
      totals[answer.outcome] += 1;
      if (answer.correct) totals.correct += 1;
      const bucket = buckets.get(Math.floor(answer.sentAtMs / 1000));
      if (bucket !== undefined) addAnswer(bucket, answer);
    },
    totals: () => ({ ...totals }),
    seconds: () => [...buckets].map(([second, bucket]) => ({ atMs: second * 1000, ...summarise([bucket]) })),
    between(fromMs, untilMs) {
      const from = Math.floor(fromMs / 1000);
      const until = Math.floor(untilMs / 1000);
      return summarise(
        [...buckets].filter(([second]) => second >= from && second < until).map(([, bucket]) => bucket),
      );
    },
  };
}

interface Bucket {
  sent: number;
  failed: number;
  lost: number;
  correct: number;
  readonly latenciesSeconds: number[];
  readonly servedBy: Map<string, number>;
}

function emptyBucket(): Bucket {
  return { sent: 0, failed: 0, lost: 0, correct: 0, latenciesSeconds: [], servedBy: new Map() };
}

function addAnswer(bucket: Bucket, { outcome, correct, latencySeconds, model }: Answer): void {
  if (outcome !== 'answered') {
    bucket[outcome] += 1;
    return;
  }
  if (correct) bucket.correct += 1;
  bucket.latenciesSeconds.push(latencySeconds);
  if (model !== undefined) bucket.servedBy.set(model, (bucket.servedBy.get(model) ?? 0) + 1);
}

function summarise(buckets: readonly Bucket[]): Summary {
  const sum = (field: 'sent' | 'failed' | 'lost' | 'correct') =>
    buckets.reduce((total, bucket) => total + bucket[field], 0);
  const latencies = buckets.flatMap(bucket => bucket.latenciesSeconds).sort((a, b) => a - b);
  const servedBy: Record<string, number> = {};
  for (const [model, count] of buckets.flatMap(bucket => [...bucket.servedBy])) {
    servedBy[model] = (servedBy[model] ?? 0) + count;
  }
  const correct = sum('correct');
  return {
    sent: sum('sent'),
    answered: latencies.length,
    failed: sum('failed'),
    lost: sum('lost'),
    correct,
    accuracy: latencies.length === 0 ? undefined : correct / latencies.length,
    latencyP50Seconds: quantile(latencies, 0.5),
    latencyP99Seconds: quantile(latencies, 0.99),
    servedBy,
  };
}

/** The smallest value that at least this share of the sorted values does not exceed. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
