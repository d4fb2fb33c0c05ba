import { attributes, type RejectionReason, rejectionReasons } from './metrics.ts';
import type { Counter, Recorder } from './record/recorder.ts';

/** Counts what was not recorded, instead of throwing it into the server. */
export interface Rejections {
  count(reason: RejectionReason): void;
  /** Makes a function harmless: whatever it throws is counted, and `otherwise` is its answer. */
  contain<Arguments extends unknown[], Result>(
    work: (...given: Arguments) => Result,
    otherwise: Result,
    reason?: RejectionReason,
  ): (...given: Arguments) => Result;
}

export function createRejections(recorder: Recorder): Rejections {
  const counters = new Map<RejectionReason, Counter>(
    rejectionReasons.map(reason => [reason, recorder.counter('rejected', { [attributes.reason]: reason })]),
  );
  const count = (reason: RejectionReason) => counters.get(reason)!.add(1);
  return {
    count,
    contain:
      (work, otherwise, reason = 'internal_error') =>
      (...given) => {
        try {
          return work(...given);
        } catch {
          count(reason);
          return otherwise;
        }
      },
  };
}
