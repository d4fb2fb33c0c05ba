import { type Failure, failures } from './failures.ts';
import { attributes, type ErrorType, type TokenType, tokenTypes } from './metrics.ts';
import type { Counter, Gauge, Histogram, LabelSet, Recorder } from './record/recorder.ts';

/** The series of one model's requests. A series that is born at 5 has an increase of 0, so they exist from the start. */
export interface ModelSeries {
  readonly requestDuration: Histogram;
  /** The only one that comes with its first failure: twelve histograms more a model would stand empty. */
  failedDuration(errorType: ErrorType): Histogram;
  readonly queueDuration: Histogram;
  readonly inferenceDuration: Histogram;
  readonly timeToFirstToken: Histogram;
  readonly timePerOutputToken: Histogram;
  readonly answered: Counter;
  readonly failed: ReadonlyMap<Failure, Counter>;
  readonly tokens: Readonly<Record<TokenType, Counter>>;
  readonly activeRequests: Gauge;
  readonly queueSize: Gauge;
}

export function createModelSeries(base: LabelSet, recorder: Recorder): ModelSeries {
  const failedDurations = new Map<ErrorType, Histogram>();
  return {
    requestDuration: recorder.histogram('requestDuration', base),
    failedDuration(errorType) {
      const known = failedDurations.get(errorType);
      if (known !== undefined) return known;
      const created = recorder.histogram('requestDuration', { ...base, [attributes.errorType]: errorType });
      failedDurations.set(errorType, created);
      return created;
    },
    queueDuration: recorder.histogram('queueDuration', base),
    inferenceDuration: recorder.histogram('inferenceDuration', base),
    timeToFirstToken: recorder.histogram('timeToFirstToken', base),
    timePerOutputToken: recorder.histogram('timePerOutputToken', base),
    answered: recorder.counter('requests', { ...base, [attributes.outcome]: 'ok' }),
    failed: new Map(
      failures.map(failure => [failure, recorder.counter('requests', labelsOf(failure, base))]),
    ),
    tokens: tokenCounters(base, recorder),
    activeRequests: recorder.gauge('activeRequests', base),
    queueSize: recorder.gauge('queueSize', base),
  };
}

function labelsOf({ outcome, errorType }: Failure, base: LabelSet): LabelSet {
  return { ...base, [attributes.outcome]: outcome, [attributes.errorType]: errorType };
}

function tokenCounters(base: LabelSet, recorder: Recorder): Record<TokenType, Counter> {
  const counters = tokenTypes.map(type => [
    type,
    recorder.counter('tokens', { ...base, [attributes.tokenType]: type }),
  ]);
  return Object.fromEntries(counters);
}
