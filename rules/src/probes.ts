import type { JsonExpectationFile, ProbeFile, ProbesOfAllFile, ProbingFile } from './probe-schema.ts';

/** A golden request: what is sent to a model directly, and what is expected of its answer. */
export interface Probe {
  readonly name: string;
  readonly method: ProbeFile['method'];
  /** Below the model's endpoint. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A text is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly expect: Expectation;
  /** What came from the environment: never to be shown, whatever the model does with it. */
  readonly secrets: readonly string[];
}

export interface Expectation {
  readonly statuses: readonly number[];
  readonly json: readonly JsonExpectation[];
  /** Regular expression that is found in the whole answer. */
  readonly matches?: string;
  readonly maxLatencyMs?: number;
  /** Counts 1 or 0 in the score of the model. */
  readonly label?: { readonly pointer: string; readonly equals: unknown };
  /** Counts as it is, from 0 to 1. */
  readonly score?: { readonly pointer: string; readonly atLeast?: number };
}

/** What stands at a JSON pointer. */
export type JsonExpectation = { readonly pointer: string } & (
  | { readonly kind: 'equals'; readonly value: unknown }
  | { readonly kind: 'matches'; readonly expression: string }
  | { readonly kind: 'range'; readonly atLeast: number; readonly atMost: number }
);

/** When and how often a model is probed. */
export interface Probing {
  readonly everyMs: number;
  /** Deadline of one request. */
  readonly timeoutMs: number;
  readonly maxPerMinute?: number;
  /** Mean score that the golden requests with a label or a score have to reach together. */
  readonly scoreAtLeast?: number;
}

export function resolveProbe(written: ProbeFile, secrets: readonly string[]): Probe {
  const { name, method, path, headers, body, expect } = written;
  const { label, score, matches, max_latency_ms: maxLatencyMs } = expect;
  return {
    name,
    method,
    path,
    headers,
    ...(body !== undefined && { body }),
    expect: {
      statuses: [expect.status].flat(),
      json: [expect.json ?? []].flat().map(resolveAtPointer),
      ...(matches !== undefined && { matches }),
      ...(maxLatencyMs !== undefined && { maxLatencyMs }),
      ...(label && { label }),
      ...(score && {
        score: {
          pointer: score.pointer,
          ...(score.at_least !== undefined && { atLeast: score.at_least }),
        },
      }),
    },
    secrets,
  };
}

function resolveAtPointer(written: JsonExpectationFile): JsonExpectation {
  const { pointer, equals, matches, at_least, at_most } = written;
  if (matches !== undefined) return { pointer, kind: 'matches', expression: matches };
  if (equals !== undefined) return { pointer, kind: 'equals', value: equals };
  const [atLeast, atMost] = [at_least ?? Number.NEGATIVE_INFINITY, at_most ?? Number.POSITIVE_INFINITY];
  return { pointer, kind: 'range', atLeast, atMost };
}

/** Labels have to be right unless the policy allows for some that are not. */
export function resolveProbing(
  all: ProbesOfAllFile,
  written: ProbingFile = {},
  probes: readonly ProbeFile[] = [],
): Probing {
  const scoreAtLeast =
    written.score_at_least ?? (probes.some(({ expect }) => expect.label !== undefined) ? 1 : undefined);
  return {
    everyMs: (written.every_seconds ?? all.interval_seconds) * 1000,
    timeoutMs: (written.timeout_seconds ?? all.timeout_seconds) * 1000,
    ...(written.max_per_minute !== undefined && { maxPerMinute: written.max_per_minute }),
    ...(scoreAtLeast !== undefined && { scoreAtLeast }),
  };
}
