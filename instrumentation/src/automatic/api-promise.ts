import { replaceMethod } from '../stream.ts';
import { isFunction } from './calls.ts';
import { at } from './properties.ts';

/**
 * What the client gives: it reads the answer only when asked to, and has methods beside those of promises.
 * `_thenUnwrap` is how its helpers make another of it, such as `chat.completions.parse`.
 */
export interface ApiPromise extends Promise<unknown> {
  responsePromise: Promise<unknown>;
  parseResponse: (...given: unknown[]) => Promise<unknown>;
  asResponse(): Promise<unknown>;
  _thenUnwrap(...given: unknown[]): unknown;
}

export function isApiPromise(promise: unknown): promise is ApiPromise {
  return (
    promise instanceof Promise &&
    at(promise, 'responsePromise') instanceof Promise &&
    ['parseResponse', 'asResponse', '_thenUnwrap'].every(name => isFunction(at(promise, name)))
  );
}

export interface AnswerObserver {
  /** The answer, or a stream of it; the first one counts. */
  parsed(value: unknown): void;
  /** The response went to the application with its body unread. */
  passedOn(): void;
  failed(error: unknown): void;
}

/**
 * Observes in place, and reads nothing that the application does not read. A failure that nobody looks at stays an
 * unhandled rejection.
 */
export function observeApiPromise(promise: ApiPromise, observer: AnswerObserver): void {
  const { responsePromise } = promise;
  let isRead = false;
  const response = () => {
    isRead = true;
    return responsePromise;
  };
  replaceMethods(promise, observer);
  Object.defineProperty(promise, 'responsePromise', { configurable: true, get: response });
  responsePromise.then(
    () => isRead || observer.passedOn(),
    error => {
      observer.failed(error);
      if (!isRead) throw error;
    },
  );
}

function replaceMethods(promise: ApiPromise, observer: AnswerObserver): void {
  const { parseResponse, asResponse, _thenUnwrap } = promise;
  let isParsed = false;
  replaceMethod(promise, 'parseResponse', (...given) => {
    isParsed = true;
    const parsing = Reflect.apply(parseResponse, promise, given);
    Promise.resolve(parsing).then(observer.parsed, observer.failed);
    return parsing;
  });
  replaceMethod(promise, 'asResponse', () => {
    const response = Reflect.apply(asResponse, promise, []);
    // `withResponse` asks for the parsed answer first.
    response.then(() => isParsed || observer.passedOn(), observer.failed);
    return response;
  });
  replaceMethod(promise, '_thenUnwrap', (...given) => {
    // Some versions make it of a response that they keep to themselves: asking here says that it is read.
    void promise.responsePromise;
    const derived = Reflect.apply(_thenUnwrap, promise, given);
    if (isApiPromise(derived)) observeApiPromise(derived, observer);
    return derived;
  });
}
