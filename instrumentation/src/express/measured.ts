import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../failures.ts';
import type { Model } from '../model.ts';
import type { Rejections } from '../rejections.ts';
import { endByResponse } from '../response-end.ts';
import { observeStream } from '../stream.ts';
import type { Ticket } from '../tickets.ts';

/**
 * One request that the middleware measures, in `response.locals.measured`. It ends with its response; the handler may
 * say more of it until then. None of these methods throws; call them on it, not apart from it.
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
  /** The connection is closed, or free for another request; whether a good answer was sent. */
  closed(request: IncomingMessage, response: ServerResponse): boolean;
}

/** It arrives now. */
export function measuredRequest(model: Model, rejections: Rejections): EndingRequest {
  return new OpenRequest(model, rejections);
}

/** A class, because functions made for each request cost more than all that they record. */
class OpenRequest implements EndingRequest {
  readonly model: Model;
  readonly #rejections: Rejections;
  readonly #ticket: Ticket;
  #isOpen = true;

  constructor(model: Model, rejections: Rejections) {
    this.model = model;
    this.#rejections = rejections;
    this.#ticket = model.start();
  }

  begin(): void {
    if (this.#isOpen) this.model.begin(this.#ticket);
  }

  token(count?: number): void {
    if (this.#isOpen) this.model.token(this.#ticket, count);
  }

  tokens(count: { readonly input?: number; readonly output?: number }): void {
    this.model.tokens(count);
  }

  stream<Stream extends AsyncIterable<unknown>>(stream: Stream): Stream {
    observeStream(stream, {
      chunk: () => this.token(),
      ended() {},
      left() {},
      failed: error => this.fail(error),
      lost: () => this.#rejections.count('unobservable_stream'),
    });
    return stream;
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.model.end(this.#ticket);
  }

  fail(error?: unknown, outcome?: Failure['outcome']): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.model.fail(this.#ticket, error, outcome);
  }

  closed(request: IncomingMessage, response: ServerResponse): boolean {
    return this.#isOpen && endByResponse(this, request, response);
  }
}
