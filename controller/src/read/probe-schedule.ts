import type { Model } from '@relaycore/rules';

/*
 * When which model is looked at. Many models on one beat would all be asked at the same moment, and each of their
 * servers' neighbours with them: so each has a phase of its own. Times are of a clock that only goes forward, in
 * milliseconds.
 */

export interface ProbeSchedule {
  /** Those whose turn has come. A turn that was missed is not made up for. */
  due(models: readonly Model[], now: number): Model[];
  /** When the next turn is. */
  nextAt(): number;
}

/** Even for costly models: one that was never looked at cannot take over. */
const firstLooksWithinMs = 10_000;

interface Turn {
  readonly at: number;
  readonly isFirst: boolean;
}

export function createSchedule(): ProbeSchedule {
  let turns: ReadonlyMap<string, Turn> = new Map();
  return {
    due(models, now) {
      const due: Model[] = [];
      const next = new Map<string, Turn>();
      for (const [index, model] of models.entries()) {
        const turn = turns.get(model.id) ?? firstTurn(model, index, now);
        if (turn.at <= now) due.push(model);
        next.set(model.id, turn.at <= now ? turnAfter(turn, model, index, now) : turn);
      }
      turns = next;
      return due;
    },
    nextAt: () => [...turns.values()].reduce((soonest, { at }) => Math.min(soonest, at), Infinity),
  };
}

function firstTurn({ probing }: Model, index: number, now: number): Turn {
  return { at: now + Math.min(probing.everyMs, firstLooksWithinMs) * phaseOf(index), isFirst: true };
}

/** The first looks come close together; from the second on the models are spread over all of the time between two. */
function turnAfter({ at, isFirst }: Turn, { probing: { everyMs } }: Model, index: number, now: number): Turn {
  const drift = isFirst ? Math.max(0, everyMs - firstLooksWithinMs) * phaseOf(index) : 0;
  const next = at + everyMs + drift;
  return { at: next > now ? next : now + everyMs, isFirst: false };
}

/** Multiples of the golden ratio: however many there are, they lie evenly in [0, 1), and the first one at 0. */
const phaseOf = (index: number) => (index * 0.618_033_988_749_895) % 1;
