import { type AnswerObserver, isApiPromise, observeApiPromise } from './api-promise.ts';
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
import { modelFailed, observeChunks, outcomeOf, tokensOf } from './openai-chunks.ts';
import { at, textAt } from './properties.ts';

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
