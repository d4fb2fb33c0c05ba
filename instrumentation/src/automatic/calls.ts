import type { Failure } from '../failures.ts';
import type { Model } from '../model.ts';
import { replaceMethod } from '../stream.ts';
import { at } from './properties.ts';

/** One request of a model that somebody else's code answers. Only the first end counts. */
export interface Call {
  token(): void;
  tokens(count: { readonly input?: number; readonly output?: number }): void;
  end(): void;
  fail(error?: unknown, outcome?: Failure['outcome']): void;
}

/** It arrives now. */
export function startCall(model: Model): Call {
  const ticket = model.start();
  let isOpen = true;
  return {
    token() {
      if (isOpen) model.token(ticket);
    },
    tokens: model.tokens,
    end() {
      if (isOpen) model.end(ticket);
      isOpen = false;
    },
    fail(error, outcome) {
      if (isOpen) model.fail(ticket, error, outcome);
      isOpen = false;
    },
  };
}

/** A function as other people's code has it. */
export type AnyFunction = (this: unknown, ...given: unknown[]) => unknown;

/** The same function, whose calls are seen. */
export function observed(original: AnyFunction, begin: BeginCall): AnyFunction {
  const seen: AnyFunction = function (...given) {
    const observer = begin(given);
    if (observer === undefined) return Reflect.apply(original, this, given);
    let answer: unknown;
    try {
      answer = Reflect.apply(original, this, given);
    } catch (error) {
      observer.threw(error);
      throw error;
    }
    return observer.answered(answer);
  };
  originals.set(seen, original);
  return seen;
}

/** Must not throw. Undefined where the call is none of ours. */
export type BeginCall = (given: readonly unknown[]) => CallObserver | undefined;

export interface CallObserver {
  /** Gives what the caller gets: the same object, or a promise that is as good. Must not throw. */
  answered(answer: unknown): unknown;
  threw(error: unknown): void;
}

const originals = new WeakMap<object, AnyFunction>();

export function isFunction(candidate: unknown): candidate is AnyFunction {
  return typeof candidate === 'function';
}

/** A call of an asynchronous function is over with its promise. What is no promise is over at once. */
export function untilSettled(call: Call): CallObserver {
  return {
    threw: call.fail,
    answered(answer) {
      if (answer instanceof Promise) return settled(answer, call.end, call.fail);
      call.end();
      return answer;
    },
  };
}

/**
 * Tells how a promise ends, and gives a promise of the same: looking at the given one from the side would make its
 * rejection look handled. Promises on which a library hangs methods of its own are given back as they are. What is told
 * must not throw.
 */
export function settled(
  promise: Promise<unknown>,
  fulfilled: (value: unknown) => void,
  rejected: (error: unknown) => void,
): Promise<unknown> {
  if (Object.getPrototypeOf(promise) !== Promise.prototype) {
    promise.then(fulfilled, rejected);
    return promise;
  }
  return promise.then(
    value => {
      fulfilled(value);
      return value;
    },
    error => {
      rejected(error);
      throw error;
    },
  );
}

/**
 * Has the calls of a method seen. Gives how to undo it; undefined where there is no such method.
 * @param anew also where they are seen already, which then ends
 */
export function observeMethod(
  owner: unknown,
  name: string,
  begin: BeginCall,
  anew = false,
): (() => void) | undefined {
  const present = at(owner, name);
  if (!isFunction(present)) return undefined;
  const original = originals.get(present) ?? present;
  if (original !== present && !anew) return () => {};
  const seen = observed(original, begin);
  replaceMethod(owner as object, name, seen);
  return () => {
    if (at(owner, name) === seen) replaceMethod(owner as object, name, original);
  };
}
