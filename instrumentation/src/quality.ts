import { attributes, metrics, type RejectionReason, type ScoreSource, scoreSources } from './metrics.ts';
import type { Histogram, LabelSet, Recorder } from './record/recorder.ts';
import type { Rejections } from './rejections.ts';
import { isScore, normalizeRating, type Random, roundKeepingMean } from './scores.ts';

/** Records how good a model's answers are. */
export interface QualityRecorder {
  evaluate(name: string, score: number, options?: { readonly source?: ScoreSource }): void;
  /** Lets the series of a score stand at zero before the first one, so that the first one counts. */
  declare(name: string, source: ScoreSource): void;
  feedback(rating: number, scale?: { readonly min?: number; readonly max?: number }): void;
}

export interface QualityContext {
  readonly recorder: Recorder;
  readonly rejections: Rejections;
  readonly random: Random;
}

export function createQualityRecorder(base: LabelSet, context: QualityContext): QualityRecorder {
  const { recorder, rejections, random } = context;
  const ratings = recorder.histogram('feedbackRating', base);
  const known = new Map<string, Map<ScoreSource, Histogram>>();

  /** Undefined, and counted, where the name or the source is none. */
  function scoresOf(name: string, source: ScoreSource): Histogram | undefined {
    const found = known.get(name)?.get(source);
    if (found !== undefined) return found;
    const problem = problemWithSource(source) ?? problemWithName(name, known);
    if (problem !== undefined) {
      rejections.count(problem);
      return undefined;
    }
    const described = { ...base, [attributes.evaluationName]: name, [attributes.source]: source };
    const created = recorder.histogram('evaluationScore', described);
    known.set(name, (known.get(name) ?? new Map<ScoreSource, Histogram>()).set(source, created));
    return created;
  }

  return {
    evaluate(name, score, options) {
      if (isScore(score))
        scoresOf(name, options?.source ?? 'label')?.recordEdge(roundKeepingMean(score, scoreSteps, random));
      else rejections.count('invalid_score');
    },
    declare: (name, source) => void scoresOf(name, source),
    feedback(rating, scale) {
      const score = normalizeRating(rating, scale?.min ?? 0, scale?.max ?? 1);
      if (score === undefined) rejections.count('invalid_rating');
      else ratings.recordEdge(roundKeepingMean(score, ratingSteps, random));
    },
  };
}

/** A name per request would make a series per request; a model is judged on a handful of things. */
export const maximumEvaluationNames = 32;

const scoreSteps = metrics.evaluationScore.edges.length - 1;
const ratingSteps = metrics.feedbackRating.edges.length - 1;

function problemWithSource(source: ScoreSource): RejectionReason | undefined {
  return scoreSources.includes(source) ? undefined : 'unknown_source';
}

function problemWithName(name: string, known: ReadonlyMap<string, unknown>): RejectionReason | undefined {
  if (known.has(name)) return undefined;
  if (typeof name !== 'string' || name === '') return 'invalid_evaluation_name';
  return known.size < maximumEvaluationNames ? undefined : 'too_many_evaluation_names';
}
