import type { Attributes } from '@opentelemetry/api';
import type { Instruments } from './instruments.ts';
import { attributes, metrics, type RejectionReason, type ScoreSource, scoreSources } from './metrics.ts';
import type { Rejections } from './rejections.ts';
import { isScore, normalizeRating, type Random, roundKeepingMean } from './scores.ts';

/** Records how good a model's answers are. */
export interface QualityRecorder {
  evaluate(name: string, score: number, options?: { readonly source?: ScoreSource }): void;
  feedback(rating: number, scale?: { readonly min?: number; readonly max?: number }): void;
}

export interface QualityContext {
  readonly instruments: Instruments;
  readonly rejections: Rejections;
  readonly random: Random;
}

export function createQualityRecorder(base: Attributes, context: QualityContext): QualityRecorder {
  const { instruments, rejections, random } = context;
  const knownNames = new Set<string>();

  return {
    evaluate(name, score, options) {
      const source = options?.source ?? 'label';
      const problem = problemWithScore(score, source) ?? problemWithName(name, knownNames);
      if (problem !== undefined) {
        rejections.count(problem);
        return;
      }
      knownNames.add(name);
      const described = { ...base, [attributes.evaluationName]: name, [attributes.source]: source };
      instruments.evaluationScore.record(roundKeepingMean(score, scoreSteps, random), described);
    },
    feedback(rating, scale) {
      const score = normalizeRating(rating, scale?.min ?? 0, scale?.max ?? 1);
      if (score === undefined) rejections.count('invalid_rating');
      else instruments.feedbackRating.record(roundKeepingMean(score, ratingSteps, random), base);
    },
  };
}

/** A name per request would make a series per request; a model is judged on a handful of things. */
export const maximumEvaluationNames = 32;

const scoreSteps = metrics.evaluationScore.edges.length - 1;
const ratingSteps = metrics.feedbackRating.edges.length - 1;

function problemWithScore(score: number, source: ScoreSource): RejectionReason | undefined {
  if (!isScore(score)) return 'invalid_score';
  return scoreSources.includes(source) ? undefined : 'unknown_source';
}

function problemWithName(name: string, knownNames: ReadonlySet<string>): RejectionReason | undefined {
  if (knownNames.has(name)) return undefined;
  if (typeof name !== 'string' || name === '') return 'invalid_evaluation_name';
  return knownNames.size < maximumEvaluationNames ? undefined : 'too_many_evaluation_names';
}
