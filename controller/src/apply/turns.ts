/** Rejects with the reason of the signal once it aborts, whatever becomes of the work. */
export function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

export type Turns = <T>(key: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

/**
 * For gateways without compare-and-set: what is read must still be so when it is changed, so changes under one key run
 * one after the other. Who waits past the deadline of its signal leaves the line.
 */
export function takingTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return (key, signal, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(() => {
      signal.throwIfAborted();
      return work();
    });
    last.set(
      key,
      turn.catch(() => undefined),
    );
    return within(signal, turn);
  };
}
