import { isDeepStrictEqual } from 'node:util';
import { type Expectation, expressionMatches, type JsonExpectation, type Probe } from '@relaycore/rules';
import { atPointer } from '../json-pointer.ts';
import type { Answer } from './golden-request.ts';
import { redactor } from './redaction.ts';

/** How a golden request went; a closed list, as it is a label of metrics. */
export const outcomes = [
  'passed',
  'wrong_label',
  'unexpected',
  'slow',
  'timeout',
  'unreachable',
  'too_large',
] as const;

export interface GoldenOutcome {
  readonly name: string;
  readonly outcome: (typeof outcomes)[number];
  /** What was not as expected, without any secret. */
  readonly reason?: string;
  /** Absent when nothing answered. */
  readonly status?: number;
  /** Of the whole answer, connection included. */
  readonly latencyMs: number;
  /** From 0 to 1, of those that have a label or a score. */
  readonly score?: number;
}

/** A wrong label alone is no failure: how many may be wrong is said of all of them together. */
export const isFailure = ({ outcome }: GoldenOutcome) => outcome !== 'passed' && outcome !== 'wrong_label';

/** Whether the answer is what was expected, and if not what is the matter. */
export function judge({ name, expect, secrets }: Probe, answer: Answer): GoldenOutcome {
  const redact = redactor(secrets);
  const { latencyMs } = answer;
  if (answer.kind === 'failed')
    return { name, latencyMs, outcome: answer.outcome, reason: redact(answer.reason) };
  const seen = { name, latencyMs, status: answer.status };
  const objection = objectionTo(answer, expect, redact);
  if (objection !== undefined) return { ...seen, outcome: 'unexpected', reason: redact(objection) };
  if (expect.maxLatencyMs !== undefined && latencyMs > expect.maxLatencyMs)
    return {
      ...seen,
      outcome: 'slow',
      reason: `took ${Math.round(latencyMs)} ms, more than ${expect.maxLatencyMs} ms`,
    };
  return { ...seen, ...scored(answer, expect, redact) };
}

type Answered = Extract<Answer, { kind: 'answered' }>;
type Redact = (text: string) => string;

function objectionTo(answer: Answered, expect: Expectation, redact: Redact): string | undefined {
  const { status, text } = answer;
  if (!expect.statuses.includes(status))
    return `answered ${status} instead of ${expect.statuses.join(' or ')}`;
  if (expect.matches !== undefined && !expressionMatches(expect.matches, text))
    return `the answer does not match ${expect.matches}: ${shown(text, redact)}`;
  if (expect.json.length === 0 && !expect.label && !expect.score) return undefined;
  const document = parsed(text);
  if (document === undefined)
    return `the answer is not valid JSON (${redact(answer.contentType).slice(0, 60)})`;
  for (const expected of expect.json) {
    const objection = objectionAt(document.value, expected, redact);
    if (objection !== undefined) return objection;
  }
  return expect.score && objectionToScore(document.value, expect.score, redact);
}

function objectionAt(document: unknown, expected: JsonExpectation, redact: Redact): string | undefined {
  const found = atPointer(document, expected.pointer);
  const place = expected.pointer || 'the answer';
  switch (expected.kind) {
    case 'equals':
      return isDeepStrictEqual(found, expected.value)
        ? undefined
        : `${place} is ${shown(found, redact)} instead of ${shown(expected.value, redact)}`;
    case 'matches':
      return typeof found === 'string' && expressionMatches(expected.expression, found)
        ? undefined
        : `${place} does not match ${expected.expression}: ${shown(found, redact)}`;
    case 'range':
      return typeof found === 'number' && found >= expected.atLeast && found <= expected.atMost
        ? undefined
        : `${place} is ${shown(found, redact)}, not a number ${rangeOf(expected)}`;
  }
}

function rangeOf({ atLeast, atMost }: Extract<JsonExpectation, { kind: 'range' }>): string {
  if (atMost === Number.POSITIVE_INFINITY) return `of at least ${atLeast}`;
  return atLeast === Number.NEGATIVE_INFINITY ? `of at most ${atMost}` : `from ${atLeast} to ${atMost}`;
}

function objectionToScore(
  document: unknown,
  { pointer, atLeast = 0 }: NonNullable<Expectation['score']>,
  redact: Redact,
): string | undefined {
  const found = atPointer(document, pointer);
  if (typeof found !== 'number' || found < 0 || found > 1)
    return `${pointer || 'the answer'} is ${shown(found, redact)}, not a score from 0 to 1`;
  return found < atLeast ? `the score at ${pointer} is ${found}, less than ${atLeast}` : undefined;
}

/** Of an answer to which there is no objection. */
function scored(
  { text }: Answered,
  { label, score }: Expectation,
  redact: Redact,
): Pick<GoldenOutcome, 'outcome' | 'score' | 'reason'> {
  if (score) return { outcome: 'passed', score: atPointer(parsed(text)?.value, score.pointer) as number };
  if (!label) return { outcome: 'passed' };
  const found = atPointer(parsed(text)?.value, label.pointer);
  if (isDeepStrictEqual(found, label.equals)) return { outcome: 'passed', score: 1 };
  const reason = redact(`labels it ${shown(found, redact)} instead of ${shown(label.equals, redact)}`);
  return { outcome: 'wrong_label', score: 0, reason };
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const longestShown = 120;

/** Secrets go before anything is cut off, as half of one is one too. */
function shown(value: unknown, redact: Redact): string {
  if (value === undefined) return 'missing';
  const text = redact(
    JSON.stringify(value, (_key, item) => (typeof item === 'string' ? redact(item) : item)),
  );
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}
