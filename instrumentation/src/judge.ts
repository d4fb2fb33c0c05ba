import { diag } from '@opentelemetry/api';
import type { QualityRecorder } from './quality.ts';
import { createBoundedQueue } from './queue.ts';
import type { Rejections } from './rejections.ts';
import { createSampling, problemsOfSampling } from './sampling.ts';
import { isScore, type Random } from './scores.ts';
import type { Unscored } from './unscored.ts';

/**
 * Scores a sample in [0, 1], 1 is good; null or undefined where it cannot tell. It should give up when the signal is
 * aborted: nobody waits for it any more.
 */
export type Scorer<Sample> = (
  sample: Sample,
  signal: AbortSignal,
) => Promise<number | null | undefined> | number | null | undefined;

export interface JudgeOptions {
  /** The share of samples that is judged, in (0, 1]. Default: 0.05. */
  readonly sample?: number;
  /** Samples judged in any one second; those beyond are counted and let go. Default: 10. */
  readonly maximumPerSecond?: number;
  /** Samples judged at once. Default: 2. */
  readonly concurrency?: number;
  /** Deadline of one judgement. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Samples that may wait; those beyond are counted and let go. Default: 100. */
  readonly queue?: number;
}

/** Has samples judged by an evaluator of the application's own. */
export interface Judge<Sample> {
  /** Takes a sample in, to be judged later. Never throws, and does not wait. */
  observe(sample: Sample): void;
}

export interface JudgeContext {
  readonly quality: QualityRecorder;
  readonly rejections: Rejections;
  readonly createUnscored: () => Unscored;
  readonly random: Random;
  /** Aborted when nothing is recorded any more. */
  readonly closing: AbortSignal;
}

/** Throws a TypeError that lists everything that is wrong with the options. */
export function createJudge<Sample>(
  name: string,
  scorer: Scorer<Sample>,
  options: JudgeOptions,
  context: JudgeContext,
): Judge<Sample> {
  const settings = resolveOptions(name, scorer, options);
  const { quality, rejections, random, closing } = context;
  const unscored = context.createUnscored();
  const draw = createSampling({ ...settings, random });
  const waiting = createBoundedQueue<Sample>(settings.queue);
  let free = settings.concurrency;
  let hasFailed = false;
  quality.declare(name, 'judge');
  closing.addEventListener('abort', waiting.clear, { once: true });

  /** Starts as many as may run at once. */
  function work(): void {
    for (let sample = next(); sample !== undefined; sample = next()) void judge(sample);
  }

  function next(): Sample | undefined {
    return free > 0 && !closing.aborted ? waiting.shift() : undefined;
  }

  async function judge(sample: Sample): Promise<void> {
    free -= 1;
    try {
      const score = await withDeadline(signal => scorer(sample, signal), settings.timeoutMs, closing);
      if (isScore(score)) quality.evaluate(name, score, fromJudge);
      else unscored.count(score === null || score === undefined ? 'unknown' : 'invalid_score');
      hasFailed = false;
    } catch (error) {
      if (!closing.aborted) fail(error);
    }
    free += 1;
    work();
  }

  /** The first of a row is told, the others are counted: a judge that is down is down for every sample. */
  function fail(error: unknown): void {
    unscored.count(error instanceof DeadlineError ? 'timeout' : 'error');
    if (!hasFailed) diag.warn(`The judge "${name}" failed; ml_evaluation_unscored_total counts on`, error);
    hasFailed = true;
  }

  function observe(sample: Sample): void {
    const drawn = draw();
    if (drawn === 'passed_over') return;
    if (drawn === 'rate_limited') unscored.count('rate_limited');
    else if (sample === undefined) rejections.count('invalid_answer');
    else if (!closing.aborted && !waiting.push(sample)) unscored.count('queue_full');
    else setImmediate(work);
  }

  return { observe: rejections.contain(observe, undefined) };
}

const fromJudge = { source: 'judge' } as const;

class DeadlineError extends Error {}

/** Whoever ignores the signal is left behind, so that a judge that hangs does not keep the others from their turn. */
async function withDeadline<Result>(
  ask: (signal: AbortSignal) => Promise<Result> | Result,
  timeoutMs: number,
  closing: AbortSignal,
): Promise<Result> {
  const { promise: given, reject: giveUp } = Promise.withResolvers<never>();
  const controller = new AbortController();
  const stop = (reason: unknown) => {
    controller.abort(reason);
    giveUp(reason);
  };
  const onClosing = () => stop(closing.reason);
  closing.addEventListener('abort', onClosing, { once: true });
  const timer = setTimeout(() => stop(new DeadlineError(`No score within ${timeoutMs} ms`)), timeoutMs);
  // A judgement does not keep a server alive that is done.
  timer.unref();
  try {
    return await Promise.race([ask(controller.signal), given]);
  } finally {
    clearTimeout(timer);
    closing.removeEventListener('abort', onClosing);
  }
}

function resolveOptions(name: unknown, scorer: unknown, options: JudgeOptions): Required<JudgeOptions> {
  const defaults = { sample: 0.05, maximumPerSecond: 10, concurrency: 2, timeoutMs: 30_000, queue: 100 };
  const settings = { ...defaults, ...options };
  const problems = problemsOfSampling(settings);
  if (typeof name !== 'string' || name === '') problems.push('- the name is no text: say what is judged');
  if (typeof scorer !== 'function')
    problems.push('- the scorer is no function: give (sample, signal) => score');
  for (const key of ['concurrency', 'queue'] as const)
    if (!(Number.isInteger(settings[key]) && settings[key] >= 1))
      problems.push(`- ${key} is ${settings[key]}: give a whole number from 1`);
  if (!(settings.timeoutMs >= 1 && settings.timeoutMs <= longestTimerMs))
    problems.push(`- timeoutMs is ${settings.timeoutMs}: give milliseconds, 1 to ${longestTimerMs}`);
  if (problems.length > 0) throw new TypeError(`model.judge() cannot start:\n${problems.join('\n')}`);
  return settings;
}

/** Node fires timers beyond it at once. */
const longestTimerMs = 2 ** 31 - 1;
