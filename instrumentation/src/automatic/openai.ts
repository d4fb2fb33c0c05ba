import { observeStream } from '../stream.ts';
import {
  type BeginCall,
  type Call,
  type CallObserver,
  isFunction,
  observeMethod,
  settled,
  startCall,
} from './calls.ts';
import type { Library, LibraryContext } from './library.ts';
import { at, numberAt, textAt } from './properties.ts';

/** The client of OpenAI, and of all that speak its protocol. */
export const openai: Library = {
  name: 'openai',
  versions: ['>=4'],
  hook(exports, context) {
    const client = at(exports, 'OpenAI') ?? at(exports, 'default') ?? exports;
    const undos = endpoints.map(({ resource, operation }) => {
      const prototype = at(client, ...resource.map(capitalized), 'prototype');
      return observeMethod(prototype, 'create', beginning(operation, context));
    });
    if (undos.every(undo => undo === undefined)) return undefined;
    const unhook = () => {
      for (const undo of undos) undo?.();
    };
    return { exports, unhook };
  },
  wrap(client, context) {
    const undos = endpoints.map(({ resource, operation }) =>
      observeMethod(at(client, ...resource), 'create', beginning(operation, context), true),
    );
    return undos.some(undo => undo !== undefined);
  },
};

/** Where `create` asks a model, and what for. */
const endpoints = [
  { resource: ['chat', 'completions'], operation: 'chat' },
  { resource: ['responses'], operation: 'chat' },
  { resource: ['completions'], operation: 'text_completion' },
  { resource: ['embeddings'], operation: 'embeddings' },
] as const;

function capitalized(name: string): string {
  return `${name[0]?.toUpperCase()}${name.slice(1)}`;
}

function beginning(operation: string, context: LibraryContext): BeginCall {
  const begin = ([request]: readonly unknown[]) => {
    const model = context.modelOf({ name: textAt(request, 'model'), operation, provider: 'openai' });
    return model && observeCall(startCall(model), context);
  };
  return context.rejections.contain(begin, undefined);
}

function observeCall(call: Call, { rejections }: LibraryContext): CallObserver {
  let isParsed = false;
  const parsed = (value: unknown) => {
    if (!isParsed) readAnswer(value, call, { rejections });
    isParsed = true;
  };
  const answer: AnswerObserver = {
    parsed: rejections.contain(parsed, undefined),
    passedOn: call.end,
    failed: error => call.fail(error, outcomeOf(error)),
  };
  const lost = () => {
    rejections.count('unobservable_answer');
    call.fail(undefined, 'cancelled');
  };
  return {
    threw: answer.failed,
    answered(promise) {
      try {
        if (isApiPromise(promise)) observeApiPromise(promise, answer);
        else if (promise instanceof Promise) return settled(promise, answer.parsed, answer.failed);
        else lost();
      } catch {
        lost();
      }
      return promise;
    },
  };
}

/** The client's errors of these kinds carry the name of all errors. */
function outcomeOf(error: unknown): 'timeout' | 'cancelled' | undefined {
  const kind = error instanceof Error ? error.constructor.name : undefined;
  if (kind === 'APIConnectionTimeoutError') return 'timeout';
  return kind === 'APIUserAbortError' ? 'cancelled' : undefined;
}

/**
 * What the client gives: it reads the answer only when asked to, and has methods beside those of promises.
 * `_thenUnwrap` is how its helpers make another of it, such as `chat.completions.parse`.
 */
interface ApiPromise extends Promise<unknown> {
  responsePromise: Promise<unknown>;
  parseResponse: (...given: unknown[]) => Promise<unknown>;
  asResponse(): Promise<unknown>;
  _thenUnwrap(...given: unknown[]): unknown;
}

function isApiPromise(promise: unknown): promise is ApiPromise {
  return (
    promise instanceof Promise &&
    at(promise, 'responsePromise') instanceof Promise &&
    ['parseResponse', 'asResponse', '_thenUnwrap'].every(name => isFunction(at(promise, name)))
  );
}

interface AnswerObserver {
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
function observeApiPromise(promise: ApiPromise, observer: AnswerObserver): void {
  const { responsePromise, parseResponse, asResponse, _thenUnwrap } = promise;
  let isRead = false;
  let isParsed = false;
  const define = (name: string, property: PropertyDescriptor) =>
    Object.defineProperty(promise, name, { configurable: true, ...property });
  define('responsePromise', {
    get() {
      isRead = true;
      return responsePromise;
    },
  });
  define('parseResponse', {
    value: (...given: unknown[]) => {
      isParsed = true;
      const parsing = Reflect.apply(parseResponse, promise, given);
      Promise.resolve(parsing).then(observer.parsed, observer.failed);
      return parsing;
    },
  });
  define('asResponse', {
    value: () => {
      const response = Reflect.apply(asResponse, promise, []);
      // `withResponse` asks for the parsed answer first.
      response.then(() => isParsed || observer.passedOn(), observer.failed);
      return response;
    },
  });
  define('_thenUnwrap', {
    value: (...given: unknown[]) => {
      isRead = true;
      const derived = Reflect.apply(_thenUnwrap, promise, given);
      if (isApiPromise(derived)) observeApiPromise(derived, observer);
      return derived;
    },
  });
  responsePromise.then(
    () => isRead || observer.passedOn(),
    error => {
      observer.failed(error);
      if (!isRead) throw error;
    },
  );
}

function readAnswer(value: unknown, call: Call, context: Pick<LibraryContext, 'rejections'>): void {
  if (isFunction(at(value, Symbol.asyncIterator))) {
    observeChunks(value as AsyncIterable<unknown>, call, context);
    return;
  }
  const usage = at(value, 'usage');
  call.tokens(tokensOf(usage));
  if (at(value, 'status') === 'failed') call.fail(modelFailed);
  else call.end();
}

/** The response says that the model failed, with a status of 200. */
const modelFailed = { status: 500 };

function observeChunks(
  stream: AsyncIterable<unknown>,
  call: Call,
  { rejections }: Pick<LibraryContext, 'rejections'>,
): void {
  let usage: unknown;
  let hasFailed = false;
  const over = (close: () => void) => () => {
    call.tokens(tokensOf(usage));
    close();
  };
  const chunk = (value: unknown) => {
    if (isToken(value)) call.token();
    usage = at(value, 'usage') ?? at(value, 'response', 'usage') ?? usage;
    hasFailed ||= at(value, 'type') === 'response.failed';
  };
  const ended = () => {
    // The client ends an aborted stream as if it had been all.
    if (at(stream, 'controller', 'signal', 'aborted') === true) call.fail(undefined, 'cancelled');
    else if (hasFailed) call.fail(modelFailed);
    else call.end();
  };
  const lost = () => {
    rejections.count('unobservable_stream');
    call.fail(undefined, 'cancelled');
  };
  const observer = {
    chunk: rejections.contain(chunk, undefined),
    ended: rejections.contain(over(ended), undefined),
    failed: (error: unknown) => call.fail(error, outcomeOf(error)),
    left: rejections.contain(
      over(() => call.fail(undefined, 'cancelled')),
      undefined,
    ),
    lost,
  };
  // What `tee` and `toReadableStream` read too.
  const opener = isFunction(at(stream, 'iterator')) ? 'iterator' : Symbol.asyncIterator;
  observeStream(stream, observer, opener);
}

/** The first chunk of a chat only names the role, and most events of a response carry nothing of the answer. */
function isToken(chunk: unknown): boolean {
  if (textAt(chunk, 'type')?.endsWith('.delta')) return true;
  const delta = at(chunk, 'choices', '0', 'delta');
  const said = [
    at(delta, 'content'),
    at(delta, 'tool_calls'),
    at(delta, 'refusal'),
    at(chunk, 'choices', '0', 'text'),
  ];
  return said.some(Boolean);
}

function tokensOf(usage: unknown): { input?: number; output?: number } {
  const input = numberAt(usage, 'prompt_tokens') ?? numberAt(usage, 'input_tokens');
  const output = numberAt(usage, 'completion_tokens') ?? numberAt(usage, 'output_tokens');
  return { ...(input !== undefined && { input }), ...(output !== undefined && { output }) };
}
