import { performance } from 'node:perf_hooks';

/** Which model answered a request, for truth that arrives later. */
export interface Remembered<Owner> {
  /** The oldest is forgotten where there is no room; the same id again is a new request. */
  remember(requestId: string, owner: Owner): void;
  /** Undefined where it was never known, is forgotten, or too long ago. */
  find(requestId: string): Owner | undefined;
  /** False where this was said of the request already. */
  mark(requestId: string, said: string): boolean;
}

export interface RememberedOptions {
  readonly maximum: number;
  readonly seconds: number;
  /** In milliseconds, never back. Default: that of the process. */
  readonly clockMs?: () => number;
}

/** Longer ones are no ids, and would take the memory that is to be bounded. */
export const longestRequestId = 128;

/** A ring of the last requests, and a map of their ids into it. Nothing has to be cleared away by a timer. */
export function createRemembered<Owner>(options: RememberedOptions): Remembered<Owner> {
  const { maximum, seconds, clockMs = () => performance.now() } = options;
  const places = new Map<string, number>();
  const ids: string[] = [];
  const owners: Owner[] = [];
  const said: (Set<string> | undefined)[] = [];
  const timesMs = new Float64Array(maximum);
  let next = 0;

  function placeOf(requestId: string): number | undefined {
    const place = places.get(requestId);
    if (place === undefined) return undefined;
    return clockMs() - timesMs[place]! <= seconds * 1_000 ? place : undefined;
  }

  return {
    remember(requestId, owner) {
      const former = ids[next];
      // Where the id came again, its place is another one by now.
      if (former !== undefined && places.get(former) === next) places.delete(former);
      places.set(requestId, next);
      ids[next] = requestId;
      owners[next] = owner;
      said[next] = undefined;
      timesMs[next] = clockMs();
      next = (next + 1) % maximum;
    },
    find(requestId) {
      const place = placeOf(requestId);
      return place === undefined ? undefined : owners[place];
    },
    mark(requestId, what) {
      const place = placeOf(requestId);
      if (place === undefined) return false;
      said[place] ??= new Set();
      if (said[place].has(what)) return false;
      said[place].add(what);
      return true;
    },
  };
}
