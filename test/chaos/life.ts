import type { Clock } from '../../controller/src/clock.ts';
import type { Random } from '../sim/random.ts';
import type { CrashEpisode } from './episodes.ts';
import type { Time } from './time.ts';

/** One process of the controller. Once it has crashed nothing answers it any more, so that no code of it goes on. */
export interface Life {
  readonly name: string;
  readonly clock: Clock;
  isAlive(): boolean;
  /** Asks something outside: there and back take time, and a crash may come in between. */
  ask<T>(effect: () => T | Promise<T>, onWayMs?: number, backMs?: number): Promise<T>;
  /** Crashes at a call to come; `undefined`: no more. */
  arm(crash: CrashEpisode | undefined): void;
  crash(): void;
  /** Called once when it crashes. */
  onCrash(work: () => void): void;
}

const tooLate = new DOMException('The operation was aborted due to timeout', 'TimeoutError');

export interface LifeParts {
  readonly name: string;
  readonly time: Time;
  readonly random: Random;
  /** The loop lies down to sleep between two rounds. */
  readonly onSleep: () => void;
}

export function newLife({ name, time, random, onSleep }: LifeParts): Life {
  let alive = true;
  let armed: { left: number; readonly isSent: boolean } | undefined;
  let spare = () => {};
  const atCrash: (() => void)[] = [];

  function crash(): void {
    if (!alive) return;
    alive = false;
    for (const work of atCrash) work();
  }

  /** Whether the call leaves. */
  function leaves(): boolean {
    if (!alive) return false;
    if (!armed || --armed.left > 0) return true;
    const { isSent } = armed;
    // What is sent is on its way when the process ends.
    if (isSent) spare = time.after(0, crash);
    else crash();
    armed = undefined;
    return isSent;
  }

  const clock: Clock = {
    now: time.now,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (!alive) return;
        const takeBack = time.after(ms, () => alive && resolve());
        const giveUp = () => {
          takeBack();
          reject(signal!.reason);
        };
        if (signal?.aborted) giveUp();
        else signal?.addEventListener('abort', giveUp, { once: true });
        onSleep();
      });
    },
    deadline(ms) {
      const controller = new AbortController();
      time.after(ms, () => alive && controller.abort(tooLate));
      return controller.signal;
    },
  };

  return {
    name,
    clock,
    isAlive: () => alive,
    arm: given => {
      spare();
      armed = given && { left: given.calls, isSent: given.isSent };
    },
    crash,
    onCrash: work => atCrash.push(work),
    ask: (effect, onWayMs = 1 + random() * 4, backMs = 1 + random() * 4) =>
      new Promise((resolve, reject) => {
        if (!leaves()) return;
        const answer = (settle: () => void) => {
          if (backMs > 0) time.after(backMs, () => alive && settle());
          else if (alive) settle();
        };
        time.after(onWayMs, async () => {
          try {
            const result = await effect();
            answer(() => resolve(result));
          } catch (error) {
            answer(() => reject(error));
          }
        });
      }),
  };
}
