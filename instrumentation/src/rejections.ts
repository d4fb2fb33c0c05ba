import type { Counter } from '@opentelemetry/api';
import { attributes, type RejectionReason, rejectionReasons } from './metrics.ts';

/** Counts what was not recorded, instead of throwing it into the server. */
export interface Rejections {
  count(reason: RejectionReason): void;
  /** Makes a function of ours harmless: whatever it throws is counted, and `otherwise` is its answer. */
  contain<Arguments extends unknown[], Result>(
    work: (...given: Arguments) => Result,
    otherwise: Result,
  ): (...given: Arguments) => Result;
}

export function createRejections(counter: Counter): Rejections {
  const count = (reason: RejectionReason) => counter.add(1, { [attributes.reason]: reason });
  for (const reason of rejectionReasons) counter.add(0, { [attributes.reason]: reason });
  return {
    count,
    contain:
      (work, otherwise) =>
      (...given) => {
        try {
          return work(...given);
        } catch {
          count('internal_error');
          return otherwise;
        }
      },
  };
}
