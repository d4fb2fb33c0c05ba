import { observeStream, type StreamObserver } from '../stream.ts';
import { type Call, isFunction } from './calls.ts';
import type { LibraryContext } from './library.ts';
import { at, numberAt, textAt } from './properties.ts';

/** The call ends with the stream. */
export function observeChunks(
  stream: AsyncIterable<unknown>,
  call: Call,
  { rejections }: Pick<LibraryContext, 'rejections'>,
): void {
  const reader = readChunks(stream, call);
  const lost = () => {
    rejections.count('unobservable_stream');
    reader.left();
  };
  const observer: StreamObserver = {
    chunk: rejections.contain(reader.chunk, undefined),
    ended: rejections.contain(reader.ended, undefined),
    failed: reader.failed,
    left: rejections.contain(reader.left, undefined),
    lost,
  };
  // What `tee` and `toReadableStream` read too.
  const opener = isFunction(at(stream, 'iterator')) ? 'iterator' : Symbol.asyncIterator;
  observeStream(stream, observer, opener);
}

function readChunks(stream: AsyncIterable<unknown>, call: Call): Omit<StreamObserver, 'lost'> {
  let usage: unknown;
  let hasFailed = false;
  return {
    chunk(value) {
      if (isToken(value)) call.token();
      usage = at(value, 'usage') ?? at(value, 'response', 'usage') ?? usage;
      hasFailed ||= at(value, 'type') === 'response.failed';
    },
    ended() {
      call.tokens(tokensOf(usage));
      // The client ends an aborted stream as if it had been all.
      if (at(stream, 'controller', 'signal', 'aborted') === true) call.fail(undefined, 'cancelled');
      else if (hasFailed) call.fail(modelFailed);
      else call.end();
    },
    failed: error => call.fail(error, outcomeOf(error)),
    left() {
      call.tokens(tokensOf(usage));
      call.fail(undefined, 'cancelled');
    },
  };
}

/** The response says that the model failed, with a status of 200. */
export const modelFailed = { status: 500 };

/** The client's errors of these kinds carry the name of all errors. */
export function outcomeOf(error: unknown): 'timeout' | 'cancelled' | undefined {
  const kind = error instanceof Error ? error.constructor.name : undefined;
  if (kind === 'APIConnectionTimeoutError') return 'timeout';
  return kind === 'APIUserAbortError' ? 'cancelled' : undefined;
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

export function tokensOf(usage: unknown): { input?: number; output?: number } {
  const input = numberAt(usage, 'prompt_tokens') ?? numberAt(usage, 'input_tokens');
  const output = numberAt(usage, 'completion_tokens') ?? numberAt(usage, 'output_tokens');
  return { ...(input !== undefined && { input }), ...(output !== undefined && { output }) };
}
