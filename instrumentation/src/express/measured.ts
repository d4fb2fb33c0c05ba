import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../failures.ts';
import type { Model } from '../model.ts';
import type { Rejections } from '../rejections.ts';
import { endByClose, endByStatus } from '../response-end.ts';
import { observeStream } from '../stream.ts';
import type { Ticket } from '../tickets.ts';

/**
 * One request that the middleware measures, in `response.locals.measured`. It ends with its response; the handler may
 * say more of it until then. None of these functions throws.
 */
export interface MeasuredRequest {
  /** For what is known of the answer: `measured.model.evaluate(…)`. */
  readonly model: Model;
  /** The model starts to work on it, where that is asked for with `queue: true`. */
  begin(): void;
  /** Tokens of its answer are there, by default one: the first gives the time to first token. */
  token(count?: number): void;
  /** How many tokens it took, as the model or its tokenizer says. */
  tokens(count: { readonly input?: number; readonly output?: number }): void;
  /** Counts the chunks of a stream as tokens and fails if it fails. Observed in place and returned, the same object. */
  stream<Stream extends AsyncIterable<unknown>>(stream: Stream): Stream;
  /** It was not answered well, whatever its status says: an answer that broke off, an error with status 200. */
  fail(error?: unknown, outcome?: Failure['outcome']): void;
}

/** What the middleware tells of it besides. Only the first end counts. */
export interface EndingRequest extends MeasuredRequest {
  /** The whole answer was sent; whether it was a good one. */
  answered(status: number): boolean;
  /** The connection is closed, or free for another request. */
  closed(request: IncomingMessage, response: ServerResponse): void;
}

/** It arrives now. */
export function measuredRequest(model: Model, rejections: Rejections): EndingRequest {
  const ticket = model.start();
  let isOpen = true;

  /** Does nothing once it has ended, so that a handler that goes on for a caller who left is not taken for a mistake. */
  const whileOpen =
    <Given extends unknown[]>(tell: (ticket: Ticket, ...given: Given) => void) =>
    (...given: Given) => {
      if (isOpen) tell(ticket, ...given);
    };
  const ending = <Given extends unknown[]>(tell: (ticket: Ticket, ...given: Given) => void) =>
    whileOpen<Given>((...given) => {
      isOpen = false;
      tell(...given);
    });
  const end = ending(model.end);
  const fail = ending(model.fail);
  const token = whileOpen(model.token);

  function answered(status: number): boolean {
    if (!isOpen) return false;
    return endByStatus(status, { end, fail });
  }

  return {
    model,
    begin: whileOpen(model.begin),
    token,
    tokens: model.tokens,
    stream(stream) {
      const lost = () => rejections.count('unobservable_stream');
      observeStream(stream, {
        chunk: () => token(),
        ended() {},
        left() {},
        failed: error => fail(error),
        lost,
      });
      return stream;
    },
    fail,
    answered,
    closed(request, response) {
      if (isOpen) endByClose(request, response, { end, fail });
    },
  };
}
