import type { Answer } from './client-statistics.ts';
import type { SwitchEvent } from './watch.ts';

/** Finds, for each switch, the first answer that its new target gave to a request sent after the decision. */
export interface FirstServed {
  answered(answer: Answer): void;
  switched(event: SwitchEvent): void;
  /** Epoch milliseconds by generation. */
  readonly times: ReadonlyMap<number, number>;
}

/** A switch is heard of a moment after its first answers, so the latest answers are kept for a while. */
const keepMs = 30_000;

export function trackFirstServed(): FirstServed {
  const times = new Map<number, number>();
  const open = new Set<SwitchEvent>();
  let recent: Answer[] = [];

  function match(event: SwitchEvent, answer: Answer): void {
    const served = answer.model === event.to_model && answer.sentAtMs >= Date.parse(event.switch_timestamp);
    if (!served) return;
    open.delete(event);
    times.set(
      event.generation,
      Math.min(answer.endedAtMs, times.get(event.generation) ?? Number.POSITIVE_INFINITY),
    );
  }

  return {
    times,
    answered(answer) {
      for (const event of open) match(event, answer);
      recent.push(answer);
      if (recent.length > 50_000 || recent[0]!.endedAtMs < answer.endedAtMs - 2 * keepMs)
        recent = recent.filter(({ endedAtMs }) => endedAtMs >= answer.endedAtMs - keepMs);
    },
    switched(event) {
      open.add(event);
      for (const answer of recent) match(event, answer);
    },
  };
}
