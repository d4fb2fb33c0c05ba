import { Readable } from 'node:stream';
import { beforeEach, expect, test } from 'vitest';
import { observeStream, type StreamObserver } from './stream.ts';

let told: string[];
let observer: StreamObserver;
beforeEach(() => {
  told = [];
  observer = {
    chunk: () => void told.push('chunk'),
    ended: () => void told.push('ended'),
    failed: error => void told.push(`failed ${(error as Error).message}`),
    left: () => void told.push('left'),
    lost: () => void told.push('lost'),
  };
});

async function* twoTokens() {
  yield 'a';
  yield 'b';
}

/** As client libraries give them: iterable, with methods of their own. */
class ClientStream {
  readonly controller = new AbortController();
  async *[Symbol.asyncIterator]() {
    yield* twoTokens();
  }
}

test.each([
  { what: 'a generator', stream: () => twoTokens() },
  { what: "a client's stream", stream: () => new ClientStream() },
  { what: 'a web stream', stream: () => ReadableStream.from(['a', 'b']) as AsyncIterable<string> },
  { what: "Node's stream", stream: () => Readable.from(['a', 'b']) as AsyncIterable<string> },
])('$what is observed while it is read', async ({ stream }) => {
  const observed = stream();
  observeStream(observed, observer);
  const read: string[] = [];
  for await (const token of observed) read.push(token);
  expect(read).toEqual(['a', 'b']);
  expect(told).toEqual(['chunk', 'chunk', 'ended']);
});

test('the reader gets the very promises and the very iterator of the stream', async () => {
  const answer = Promise.resolve({ done: true, value: undefined });
  const iterator = { next: () => answer };
  const stream = { [Symbol.asyncIterator]: () => iterator };
  observeStream(stream, observer);
  expect(stream[Symbol.asyncIterator]()).toBe(iterator);
  expect(iterator.next()).toBe(answer);
});

test('a stream that fails has failed, once', async () => {
  async function* failing() {
    yield 'a';
    throw new Error('out of luck');
  }
  const stream = failing();
  observeStream(stream, observer);
  await stream.next();
  await expect(stream.next()).rejects.toThrow('out of luck');
  await stream.next();
  expect(told).toEqual(['chunk', 'failed out of luck']);
});

test.each([
  { what: 'a generator', stream: () => twoTokens() },
  { what: 'an iterator that cannot be left', stream: () => withoutReturn() },
])('a reader that leaves $what early is noticed', async ({ stream }) => {
  const observed = stream();
  observeStream(observed, observer);
  for await (const _ of observed) break;
  expect(told).toEqual(['chunk', 'left']);
});

function withoutReturn(): AsyncIterable<string> {
  return { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 'a' }) }) };
}

test('an iterator that answers without promises is observed too', async () => {
  const iterator = { next: () => ({ done: true, value: undefined }) };
  const stream = { [Symbol.asyncIterator]: () => iterator } as unknown as AsyncIterable<string>;
  observeStream(stream, observer);
  for await (const _ of stream);
  expect(told).toEqual(['ended']);
});

test.each([
  { what: 'frozen', stream: Object.freeze(new ClientStream()) },
  { what: 'no stream', stream: {} },
  { what: 'nothing', stream: undefined },
])('what is $what is lost, and stays as it is', async ({ stream }) => {
  observeStream(stream as AsyncIterable<string>, observer);
  expect(told).toEqual(['lost']);
});
