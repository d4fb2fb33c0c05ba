import type { QualityRecorder } from './quality.ts';
import type { Rejections } from './rejections.ts';
import { longestRequestId, type Remembered } from './remembered.ts';
import { isScore, normalizeRating } from './scores.ts';

/**
 * What became of something said of a past request. `unknown_request`: no model of this process answered it, or too long
 * ago. `repeated`: it was said before, and counts once.
 */
export type DelayedOutcome = 'recorded' | 'unknown_request' | 'repeated' | 'invalid';

/** Takes what is known of an answer only after it was given, and books it to the model that gave it. */
export interface DelayedTruth {
  feedback(
    requestId: string,
    rating: number,
    scale?: { readonly min?: number; readonly max?: number },
  ): DelayedOutcome;
  evaluate(requestId: string, name: string, score: number): DelayedOutcome;
}

export interface DelayedContext {
  readonly remembered: Remembered<QualityRecorder>;
  readonly rejections: Rejections;
}

export function createDelayedTruth({ remembered, rejections }: DelayedContext): DelayedTruth {
  function recordOnce(
    requestId: string,
    said: string,
    record: (quality: QualityRecorder) => void,
  ): DelayedOutcome {
    const quality = remembered.find(requestId);
    if (quality === undefined) return 'unknown_request';
    if (!remembered.mark(requestId, said)) return 'repeated';
    record(quality);
    return 'recorded';
  }

  function reject(reason: 'invalid_rating' | 'invalid_score'): DelayedOutcome {
    rejections.count(reason);
    return 'invalid';
  }

  function feedback(...[requestId, rating, scale]: Parameters<DelayedTruth['feedback']>): DelayedOutcome {
    if (normalizeRating(rating, scale?.min ?? 0, scale?.max ?? 1) === undefined)
      return reject('invalid_rating');
    return recordOnce(requestId, ratingMark, quality => quality.feedback(rating, scale));
  }

  function evaluate(requestId: string, name: string, score: number): DelayedOutcome {
    if (!isScore(score) || typeof name !== 'string' || name === '') return reject('invalid_score');
    return recordOnce(requestId, `score of ${name}`, quality => quality.evaluate(name, score));
  }

  return {
    feedback: rejections.contain(feedback, 'invalid'),
    evaluate: rejections.contain(evaluate, 'invalid'),
  };
}

const ratingMark = 'rating';

export function isRequestId(requestId: unknown): requestId is string {
  return typeof requestId === 'string' && requestId !== '' && requestId.length <= longestRequestId;
}
