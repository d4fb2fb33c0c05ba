import type { Model, Probe } from '@relaycore/rules';
import { type GoldenOutcome, isFailure, judge } from './expectation.ts';
import { send } from './golden-request.ts';

/** What the golden requests of a model said, one after the other. */
export interface Look {
  readonly outcomes: readonly GoldenOutcome[];
  /** Why the model does not pass, when it does not. */
  readonly failure?: string;
  /** Mean of those that have a label or a score. */
  readonly score?: number;
  readonly durationMs: number;
}

/** A target without golden requests must at least answer. */
const reachable: Probe = {
  name: 'answers at all',
  method: 'GET',
  path: '/',
  headers: {},
  expect: { statuses: Array.from({ length: 400 }, (_, i) => i + 100), json: [] },
  secrets: [],
};

export const goldenRequestsOf = ({ probes }: Model): readonly Probe[] =>
  probes.length > 0 ? probes : [reachable];

export interface LookOptions {
  /** Also after one has failed; else the first failure ends the look. */
  readonly all?: boolean;
  /** Asked before each request: nothing more is sent. */
  readonly isOver?: () => boolean;
}

/** In turn, so that none of them is slowed down by another. */
export async function lookAt(model: Model, { all = false, isOver }: LookOptions = {}): Promise<Look> {
  const begun = performance.now();
  const outcomes: GoldenOutcome[] = [];
  for (const probe of goldenRequestsOf(model)) {
    if (isOver?.()) break;
    const outcome = judge(probe, await send(model, probe, model.probing.timeoutMs));
    outcomes.push(outcome);
    if (isFailure(outcome) && !all) break;
  }
  const score = meanScore(outcomes);
  const failure = failureOf(model, outcomes, score);
  return {
    outcomes,
    durationMs: performance.now() - begun,
    ...(failure !== undefined && { failure }),
    ...(score !== undefined && { score }),
  };
}

function meanScore(outcomes: readonly GoldenOutcome[]): number | undefined {
  const scores = outcomes.flatMap(({ score }) => score ?? []);
  return scores.length === 0 ? undefined : scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

function failureOf(
  { probing: { scoreAtLeast } }: Model,
  outcomes: readonly GoldenOutcome[],
  score: number | undefined,
): string | undefined {
  const failed = outcomes.find(isFailure);
  if (failed) return `${failed.name}: ${failed.reason}`;
  if (score === undefined || scoreAtLeast === undefined || score >= scoreAtLeast) return undefined;
  const wrong = outcomes.filter(({ outcome }) => outcome === 'wrong_label');
  const detail = wrong.length > 0 ? `: ${wrong[0]!.name}: ${wrong[0]!.reason}` : '';
  const scoredCount = outcomes.filter(outcome => outcome.score !== undefined).length;
  return `score ${Number(score.toFixed(4))} of ${scoredCount} golden requests, less than ${scoreAtLeast}${detail}`;
}
