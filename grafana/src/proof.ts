import type { DashboardQuery } from './queries.ts';

/** A query that a panel could not live on. */
export interface UnansweredQuery {
  readonly query: DashboardQuery;
  /** The error of Prometheus, or that it had no number to give. */
  readonly problem: string;
}

export interface ProofOptions {
  /** `http://host:port`, without a slash at the end. */
  readonly prometheusUrl: string;
  /** How far back range queries look. Seconds. */
  readonly rangeSeconds?: number;
  /** Deadline of one query. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Asks a real Prometheus every query the way Grafana would, and returns those that fail or give not one number
 * (NaN draws nothing). A query that may be empty has to be free of errors only.
 */
export async function unansweredQueries(
  queries: readonly DashboardQuery[],
  options: ProofOptions,
): Promise<readonly UnansweredQuery[]> {
  const unanswered: UnansweredQuery[] = [];
  // One at a time: a proof is no load test.
  for (const query of queries) {
    const problem = await problemOf(query, options);
    if (problem !== undefined) unanswered.push({ query, problem });
  }
  return unanswered;
}

async function problemOf(query: DashboardQuery, options: ProofOptions): Promise<string | undefined> {
  const answer = await ask(query, options);
  if (answer.status !== 'success') return `${answer.errorType}: ${answer.error}`;
  if (query.mayBeEmpty !== undefined) return undefined;
  if (answer.data.result.length === 0) return 'no series';
  const values = answer.data.result.flatMap(({ value, values = [] }) => (value ? [value] : values));
  return values.some(([, text]) => text !== 'NaN') ? undefined : 'no number, only NaN';
}

interface Answer {
  readonly status: 'success' | 'error';
  readonly errorType?: string;
  readonly error?: string;
  readonly data: { readonly result: readonly Series[] };
}
interface Series {
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

const rangePoints = 60;

async function ask({ kind, promql }: DashboardQuery, options: ProofOptions): Promise<Answer> {
  const { prometheusUrl, rangeSeconds = 300, timeoutMs = 10_000, signal } = options;
  const nowSeconds = Date.now() / 1000;
  const [path, times] =
    kind === 'range'
      ? [
          'query_range',
          { start: nowSeconds - rangeSeconds, end: nowSeconds, step: rangeSeconds / rangePoints },
        ]
      : ['query', { time: nowSeconds }];
  const body = new URLSearchParams({ query: promql });
  for (const [name, value] of Object.entries(times)) body.set(name, String(value));
  const deadline = AbortSignal.timeout(timeoutMs);
  const url = `${prometheusUrl}/api/v1/${path}`;
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    return (await response.json()) as Answer;
  } catch (cause) {
    throw new Error(`asking ${url} for ${promql} got no answer; is that a Prometheus?`, { cause });
  }
}
