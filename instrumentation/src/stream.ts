/** What an observer is told of a stream: chunks, then how it was over, once. None of these may throw. */
export interface StreamObserver {
  chunk(value: unknown): void;
  ended(): void;
  failed(error: unknown): void;
  /** The reader stopped before the end. */
  left(): void;
  /** It cannot be observed: it is frozen, or no async iterable. */
  lost(): void;
}

/**
 * Observes a stream in place, through the methods of its async iterator. Readers get the very objects and promises
 * that they would get without it, because libraries hang methods of their own on both.
 * @param opener the method that gives the iterator
 */
export function observeStream(
  stream: AsyncIterable<unknown>,
  observer: StreamObserver,
  opener: PropertyKey = Symbol.asyncIterator,
): void {
  const watch = untilOver(observer);
  try {
    if (isIterator(stream)) observeIterator(stream, watch);
    else observeIterators(stream, watch, opener);
  } catch {
    watch.lost();
  }
}

/** Generators are their own iterators, and may be read by `next` alone. */
function isIterator(stream: object): stream is AsyncIterator<unknown> {
  return 'next' in stream && typeof stream.next === 'function';
}

function observeIterators(stream: AsyncIterable<unknown>, watch: StreamObserver, opener: PropertyKey): void {
  const open: unknown = Reflect.get(stream, opener);
  if (typeof open !== 'function') throw new TypeError('What is to be observed has no async iterator');
  replaceMethod(stream, opener, (...given) => {
    const iterator = Reflect.apply(open, stream, given) as AsyncIterator<unknown>;
    try {
      observeIterator(iterator, watch);
    } catch {
      watch.lost();
    }
    return iterator;
  });
}

function observeIterator(iterator: AsyncIterator<unknown>, watch: StreamObserver): void {
  const { next, return: leave } = iterator;
  replaceMethod(iterator, 'next', (...given) => {
    const answer = Reflect.apply(next, iterator, given) as Promise<IteratorResult<unknown> | undefined>;
    Promise.resolve(answer).then(
      result => (result?.done ? watch.ended() : watch.chunk(result?.value)),
      watch.failed,
    );
    return answer;
  });
  replaceMethod(iterator, 'return', (...given) => {
    watch.left();
    return leave ? Reflect.apply(leave, iterator, given) : Promise.resolve({ done: true, value: given[0] });
  });
}

/** Visible to reads of the property only, as methods of a class are. Throws a TypeError if the object is frozen. */
export function replaceMethod(
  object: object,
  name: PropertyKey,
  method: (...given: unknown[]) => unknown,
): void {
  Object.defineProperty(object, name, { value: method, configurable: true, writable: true });
}

function untilOver(observer: StreamObserver): StreamObserver {
  let over = false;
  const once = <Given extends unknown[]>(tell: (...given: Given) => void) => {
    return (...given: Given) => {
      if (over) return;
      over = true;
      tell(...given);
    };
  };
  return {
    chunk: value => over || observer.chunk(value),
    ended: once(observer.ended),
    failed: once(observer.failed),
    left: once(observer.left),
    lost: once(observer.lost),
  };
}
