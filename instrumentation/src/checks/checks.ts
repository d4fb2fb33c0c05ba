import { performance } from 'node:perf_hooks';
import type { QualityRecorder } from '../quality.ts';
import { type BoundedQueue, createBoundedQueue } from '../queue.ts';
import type { Rejections } from '../rejections.ts';
import { createSampling, problemsOfSampling } from '../sampling.ts';
import type { Random } from '../scores.ts';
import type { Unscored } from '../unscored.ts';
import type { Answer, Check, CheckName } from './check.ts';
import { scoreEmpty } from './empty.ts';
import { finishOf } from './finish.ts';
import { createLanguageCheck } from './language.ts';
import { scoreRefusal } from './refusal.ts';
import { scoreRepetition } from './repetition.ts';
import { createSchemaCheck, type JsonSchema } from './schema.ts';
import { createTooFastCheck } from './too-fast.ts';
import { createTruncatedCheck } from './truncated.ts';

/** Which checks an answer gets, and how many answers get any. */
export interface CheckOptions {
  /** The share of answers that is checked, in (0, 1]. Default: 0.1. */
  readonly sample?: number;
  /** Answers checked in any one second; those beyond are counted and let go. Default: 50. */
  readonly maximumPerSecond?: number;
  /** There is something to see. */
  readonly empty?: boolean;
  /** Not cut off by the limit on tokens; with `prose`, it ends as prose does too. */
  readonly truncated?: boolean | 'prose';
  /** It is JSON of this schema, draft 2020-12 or, where its `$schema` says so, draft 7. */
  readonly schema?: JsonSchema;
  /** It does not begin by declining. */
  readonly refusal?: boolean;
  /** It does not loop. */
  readonly repetition?: boolean;
  /** It is in this language (`de`, `pt-BR`), where that can be told. */
  readonly language?: string;
  /** It did not come far faster than as many tokens usually do; needs `tokens` and `seconds` of answers. */
  readonly tooFast?: boolean;
}

/** Checks answers without labels. */
export interface Checks {
  /** Takes an answer in, to be checked when the event loop has time. Never throws, and does not wait. */
  observe(answer: Answer): void;
}

export interface ChecksContext {
  readonly quality: QualityRecorder;
  readonly rejections: Rejections;
  readonly unscored: Unscored;
  readonly random: Random;
}

/** Throws a TypeError that lists everything that is wrong with the options. */
export function createChecks(options: CheckOptions, context: ChecksContext): Checks {
  const { quality, rejections, unscored, random } = context;
  const { sample = 0.1, maximumPerSecond = 50 } = options;
  const checks = checksAsked({ ...options, sample, maximumPerSecond });
  for (const { name } of checks) quality.declare(name, 'check');
  const draw = createSampling({ sample, maximumPerSecond, random });
  const queue = createAnswerQueue();
  let isScheduled = false;

  /** Not unrefed: an idle event loop would leave the queue for later. It ends with the queue, within a second. */
  function schedule(): void {
    isScheduled = true;
    setImmediate(work);
  }

  function work(): void {
    const untilMs = performance.now() + sliceMs;
    do {
      const answer = queue.shift();
      if (answer === undefined) {
        isScheduled = false;
        return;
      }
      for (const check of checks) record(check, answer);
    } while (performance.now() < untilMs);
    schedule();
  }

  const record = rejections.contain(({ name, check, reads }: NamedCheck, answer: Answer) => {
    // What calls a tool need not say anything.
    if (reads === 'text' && finishOf(answer) === 'tool') return;
    const score = check(answer);
    if (score !== undefined) quality.evaluate(name, score, fromCheck);
  }, undefined);

  function observe(answer: Answer): void {
    const drawn = draw();
    if (drawn === 'passed_over') return;
    if (drawn === 'rate_limited') unscored.count('rate_limited');
    else if (!isAnswer(answer)) rejections.count('invalid_answer');
    else if (!queue.push(answer)) unscored.count('queue_full');
    else if (!isScheduled) schedule();
  }

  return { observe: rejections.contain(observe, undefined) };
}

/** What the checks take of the event loop at once, longer only where a single answer takes longer. */
const sliceMs = 2;
const fromCheck = { source: 'check' } as const;

function isAnswer(answer: Answer): boolean {
  const { text, finishReason, language } = answer;
  const isTextOrNothing = (value: unknown) => value === undefined || typeof value === 'string';
  return typeof text === 'string' && isTextOrNothing(finishReason) && isTextOrNothing(language);
}

interface NamedCheck {
  readonly name: CheckName;
  readonly check: Check;
  readonly reads: 'text' | 'time';
}

type Sampled = CheckOptions & { readonly sample: number; readonly maximumPerSecond: number };

function checksAsked(options: Sampled): readonly NamedCheck[] {
  const problems = problemsOfSampling(options);
  const checks: NamedCheck[] = [];
  const add = (name: CheckName, isAsked: boolean, create: () => Check, reads: 'text' | 'time' = 'text') => {
    if (!isAsked) return;
    try {
      checks.push({ name, check: create(), reads });
    } catch (error) {
      problems.push(`- ${name} cannot be checked: ${error instanceof Error ? error.message : error}`);
    }
  };
  const { truncated, schema, language } = options;
  add('empty', options.empty === true, () => scoreEmpty);
  add('truncated', Boolean(truncated), () => createTruncatedCheck({ prose: truncated === 'prose' }));
  add('schema', schema !== undefined, () => createSchemaCheck(schema!));
  add('refusal', options.refusal === true, () => scoreRefusal);
  add('repetition', options.repetition === true, () => scoreRepetition);
  add('language', language !== undefined, () => createLanguageCheck(language!));
  add('too_fast', options.tooFast === true, createTooFastCheck, 'time');
  if (checks.length === 0 && problems.length === 0)
    problems.push('- no check is asked for: give empty: true, or another one');
  if (problems.length > 0) throw new TypeError(`model.checks() cannot start:\n${problems.join('\n')}`);
  return checks;
}

const longestQueue = 1_000;
/** Of all answers that wait together, in UTF-16 units: 8 MB. */
const mostCharacters = 4 * 2 ** 20;

/** Bounded in answers and in their length. */
function createAnswerQueue(): Pick<BoundedQueue<Answer>, 'push' | 'shift'> {
  const queue = createBoundedQueue<Answer>(longestQueue);
  let characters = 0;
  return {
    push(answer) {
      const fits = characters + answer.text.length <= mostCharacters && queue.push(answer);
      if (fits) characters += answer.text.length;
      return fits;
    },
    shift() {
      const answer = queue.shift();
      if (answer !== undefined) characters -= answer.text.length;
      return answer;
    },
  };
}
