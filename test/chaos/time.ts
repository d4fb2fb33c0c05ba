import type { Random } from '../sim/random.ts';

/** Time that passes only here: whatever happens waits in one line, and what is due at once comes in an order drawn from the seed. */
export interface Time {
  /** Epoch milliseconds, whole ones. */
  now(): number;
  /** Calls `task` in `ms`; what is returned takes it back. */
  after(ms: number, task: () => void): () => void;
  /** Lets everything happen until then, or until `isOver`; each thing has had all its consequences before the next. */
  runUntil(at: number, isOver: () => boolean): Promise<void>;
  /** How many things happened so far. */
  steps(): number;
}

interface Waiting {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

export function simulatedTime(startsAt: number, random: Random): Time {
  let now = startsAt;
  let steps = 0;
  /** The next one is the last. */
  const line: Waiting[] = [];

  return {
    now: () => now,
    steps: () => steps,
    after(ms, task) {
      const waiting = { at: now + Math.max(0, Math.round(ms)), order: random(), task };
      line.splice(placeOf(line, waiting), 0, waiting);
      return () => {
        const place = line.indexOf(waiting);
        if (place >= 0) line.splice(place, 1);
      };
    },
    async runUntil(at, isOver) {
      for (let next = line.at(-1); next && next.at <= at && !isOver(); next = line.at(-1)) {
        line.pop();
        now = next.at;
        steps++;
        next.task();
        await settled();
      }
      if (!isOver()) now = at;
    },
  };
}

/** Every promise that can go on has gone on: nothing in a simulation waits for anything but its time. */
const settled = () => new Promise<void>(resolve => setImmediate(resolve));

function placeOf(line: readonly Waiting[], { at, order }: Waiting): number {
  let [from, until] = [0, line.length];
  while (from < until) {
    const middle = (from + until) >> 1;
    const other = line[middle]!;
    if (other.at > at || (other.at === at && other.order > order)) from = middle + 1;
    else until = middle;
  }
  return from;
}
