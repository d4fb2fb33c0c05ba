import { type CheckOptions, type Checks, createChecks } from './checks/checks.ts';
import type { Failure } from './failures.ts';
import { createJudge, type Judge, type JudgeOptions, type Scorer } from './judge.ts';
import { attributes, type ScoreSource } from './metrics.ts';
import { createModelSeries } from './model-series.ts';
import { createQualityRecorder } from './quality.ts';
import type { LabelSet, Recorder } from './record/recorder.ts';
import { createRequestRecorder, type RequestContext } from './requests.ts';
import type { Random } from './scores.ts';
import { observeStream } from './stream.ts';
import { noTicket, type Ticket } from './tickets.ts';
import { createUnscored } from './unscored.ts';

/** What is served, and what its series are named by. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  /** What the model does, as the conventions name it (`chat`, `embeddings`, …) or your own word (`classify`). */
  readonly operation: string;
  /** Who provides it (`openai`, `vllm`, your team). */
  readonly provider: string;
}

/**
 * Records one model. None of these functions throws once it records: what cannot be recorded is counted in
 * `ml_telemetry_rejected_total`.
 */
export interface Model {
  /** A request arrived; its queue time begins. */
  start(): Ticket;
  /** The model starts to work on it. Without this there is no split into queue and inference time. */
  begin(ticket: Ticket): void;
  /** Tokens of its answer are there, by default one: the first gives the time to first token. */
  token(ticket: Ticket, count?: number): void;
  /** It was answered well. */
  end(ticket: Ticket): void;
  /** It was not; the outcome is taken from the error unless given. */
  fail(ticket: Ticket, error?: unknown, outcome?: Failure['outcome']): void;
  /**
   * Its answer is this stream, in which each chunk counts as a token: the request ends with the stream, fails with it,
   * or is cancelled when the reader leaves. The stream is observed in place and returned, the same object. It has to
   * be read by its async iterator (`for await`); if nobody reads it, the request stays open.
   */
  stream<Stream extends AsyncIterable<unknown>>(ticket: Ticket, stream: Stream): Stream;
  /** How many tokens one request took, as the model or its tokenizer says. */
  tokens(count: { readonly input?: number; readonly output?: number }): void;
  /**
   * How good one answer was.
   * @param name what was judged, from a short fixed list: `accuracy`, `toxicity`, `groundedness`
   * @param score in [0, 1]
   */
  evaluate(name: string, score: number, options?: { readonly source?: ScoreSource }): void;
  /**
   * Checks a sample of its answers without labels, each check a score of its own (source `check`). Throws a TypeError
   * that lists what is wrong with the options.
   */
  checks(options: CheckOptions): Checks;
  /**
   * Has a sample of its answers judged by an evaluator of yours (source `judge`): a scorer of a library, another model.
   * Its errors are counted in `ml_evaluation_unscored_total`. Throws a TypeError that lists what is wrong with the
   * options.
   */
  judge<Sample>(name: string, scorer: Scorer<Sample>, options?: JudgeOptions): Judge<Sample>;
  /** What a person thought of one answer, on the scale min..max, by default 0..1. */
  feedback(rating: number, scale?: { readonly min?: number; readonly max?: number }): void;
}

export interface ModelContext extends Omit<RequestContext, 'series'> {
  readonly recorder: Recorder;
  readonly random: Random;
  /** Aborted when nothing is recorded any more. */
  readonly closing: AbortSignal;
}

/** A model's recorder, and what brings its gauges up to date. */
export interface ObservedModel {
  readonly model: Model;
  readonly updateGauges: () => void;
}

export function createModel(identity: ModelIdentity, context: ModelContext): ObservedModel {
  const { recorder, rejections, random, closing } = context;
  const base = baseLabels(identity);
  const series = createModelSeries(base, recorder);
  const requests = createRequestRecorder({ ...context, series });
  const quality = createQualityRecorder(base, context);

  function tokens({ input = 0, output = 0 }: { readonly input?: number; readonly output?: number }): void {
    if (isCount(input) && isCount(output)) {
      series.tokens.input.add(input);
      series.tokens.output.add(output);
    } else rejections.count('invalid_token_count');
  }

  const unscoredOf = (labels: LabelSet) => createUnscored({ ...base, ...labels }, recorder);
  const checks = (options: CheckOptions) => {
    const unscored = unscoredOf({ [attributes.source]: 'check' });
    return createChecks(options, { quality, rejections, unscored, random });
  };
  const judge: Model['judge'] = (name, scorer, options = {}) => {
    const labels = { [attributes.evaluationName]: name, [attributes.source]: 'judge' };
    const unscored = () => unscoredOf(labels);
    return createJudge(name, scorer, options, {
      quality,
      rejections,
      createUnscored: unscored,
      random,
      closing,
    });
  };

  const model: Omit<Model, 'stream'> = {
    checks,
    judge,
    start: rejections.contain(requests.start, noTicket),
    begin: rejections.contain(requests.begin, undefined),
    token: rejections.contain(requests.token, undefined),
    end: rejections.contain(requests.end, undefined),
    fail: rejections.contain(requests.fail, undefined),
    tokens: rejections.contain(tokens, undefined),
    evaluate: rejections.contain(quality.evaluate, undefined),
    feedback: rejections.contain(quality.feedback, undefined),
  };
  const stream: Model['stream'] = (ticket, given) => {
    observeStream(given, {
      chunk: () => model.token(ticket),
      ended: () => model.end(ticket),
      failed: error => model.fail(ticket, error),
      left: () => model.fail(ticket, undefined, 'cancelled'),
      lost() {
        rejections.count('unobservable_stream');
        model.fail(ticket, undefined, 'cancelled');
      },
    });
    return given;
  };
  return { model: { ...model, stream }, updateGauges: requests.updateGauges };
}

function isCount(count: unknown): boolean {
  return typeof count === 'number' && count >= 0 && count < Number.POSITIVE_INFINITY;
}

function baseLabels({ name, version, operation, provider }: ModelIdentity): LabelSet {
  return {
    [attributes.operation]: operation,
    [attributes.provider]: provider,
    [attributes.model]: name,
    [attributes.version]: version,
  };
}
