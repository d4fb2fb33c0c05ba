import { attributes, type UnscoredReason, unscoredReasons } from './metrics.ts';
import type { LabelSet, Recorder } from './record/recorder.ts';

/** Counts the answers that were drawn for a check or a judge and got no score. */
export interface Unscored {
  count(reason: UnscoredReason): void;
}

/** @param labels of the model, the source and, for a judge, its name */
export function createUnscored(labels: LabelSet, recorder: Recorder): Unscored {
  const counters = new Map(
    unscoredReasons.map(reason => [
      reason,
      recorder.counter('unscored', { ...labels, [attributes.reason]: reason }),
    ]),
  );
  return { count: reason => counters.get(reason)!.add(1) };
}
