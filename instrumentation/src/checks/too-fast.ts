import type { Check } from './check.ts';

/**
 * 0 for an answer that came far faster than this model's answers of as many tokens do: by six standard deviations of
 * the logarithm of the time, and at least four times as fast as the mean. Answers are compared with those of about as
 * many tokens (from one power of two to the next), once there were `answersToLearn` of these. What was too fast teaches
 * very slowly: a fault stays one for thousands of answers, and a faster model becomes normal after them.
 */
export function createTooFastCheck(): Check {
  const known = new Map<number, Distribution>();
  return ({ tokens, seconds }) => {
    if (tokens === undefined || seconds === undefined) return undefined;
    if (!(tokens >= 1 && Number.isFinite(tokens) && seconds > 0 && Number.isFinite(seconds)))
      return undefined;
    const size = Math.floor(Math.log2(tokens));
    const distribution = known.get(size) ?? { count: 0, mean: 0, variance: 0 };
    known.set(size, distribution);
    return judge(distribution, Math.log(seconds));
  };
}

/** Of the logarithms of times in seconds, the old ones counting less and less. */
interface Distribution {
  count: number;
  mean: number;
  variance: number;
}

export const answersToLearn = 50;
const memoryAnswers = 500;
const deviations = 6;
const leastDistance = Math.log(4);
/** So little does an answer that was too fast move the mean. */
const forgivingStep = 0.0002;

function judge(distribution: Distribution, value: number): number | undefined {
  const { count, mean, variance } = distribution;
  const distance = mean - value;
  const isLearning = count < answersToLearn;
  if (!isLearning && distance > Math.max(leastDistance, deviations * Math.sqrt(variance))) {
    distribution.mean -= forgivingStep;
    return 0;
  }
  learn(distribution, value);
  return isLearning ? undefined : 1;
}

/** Welford's recurrence, whose weights stop falling at one in `memoryAnswers`. */
function learn(distribution: Distribution, value: number): void {
  distribution.count = Math.min(distribution.count + 1, memoryAnswers);
  const weight = 1 / distribution.count;
  const distance = value - distribution.mean;
  distribution.mean += weight * distance;
  distribution.variance = (1 - weight) * (distribution.variance + weight * distance * distance);
}
