/** First in, first out, never longer than it may be. */
export interface BoundedQueue<Item> {
  /** False, and nothing is kept, where the queue is full. */
  push(item: Item): boolean;
  /** Undefined where nothing waits. */
  shift(): Item | undefined;
  clear(): void;
}

/** A ring, so that taking the first moves none of the others. */
export function createBoundedQueue<Item>(maximumLength: number): BoundedQueue<Item> {
  const ring: (Item | undefined)[] = new Array(maximumLength);
  let first = 0;
  let length = 0;
  return {
    push(item) {
      if (length === maximumLength) return false;
      ring[(first + length) % maximumLength] = item;
      length += 1;
      return true;
    },
    shift() {
      if (length === 0) return undefined;
      const item = ring[first];
      ring[first] = undefined;
      first = (first + 1) % maximumLength;
      length -= 1;
      return item;
    },
    clear() {
      ring.fill(undefined);
      length = 0;
    },
  };
}
