import { once } from 'node:events';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, expect, expectTypeOf, test } from 'vitest';
import { freePort } from '../../../test/support/servers.ts';
import { type FakeOpenai, startFakeOpenai } from '../../test/fake-openai.ts';
import { samplesOf } from '../../test/page.ts';
import { type Instrumentation, init, wrap } from '../index.ts';

let fake: FakeOpenai;
let ml: Instrumentation;
let client: OpenAI;
let at = 0;
/** Each test has models of its own, told apart by their version. */
let version: string;

beforeAll(async () => {
  fake = await startFakeOpenai();
  ml = init({ port: 0, resources: false });
  await ml.ready;
});
beforeEach(() => {
  version = `${++at}`;
  client = wrap(new OpenAI({ apiKey: 'none', baseURL: fake.url, maxRetries: 0 }), { ml, version });
});
afterAll(async () => {
  await ml?.shutdown();
  fake?.stop();
});

const messages: [] = [];

async function samples(name: string, labels: Readonly<Record<string, string>> = {}) {
  const page = await (await fetch(ml.endpoint!)).text();
  return samplesOf(page, name, { ml_model_version: version, ...labels });
}

/** Outcomes other than none, as `model outcome error_type`. */
async function outcomes(): Promise<string[]> {
  const counted = (await samples('ml_server_requests_total')).filter(({ value }) => value > 0);
  return counted.flatMap(({ labels, value }) =>
    Array<string>(value).fill(
      [labels.gen_ai_request_model, labels.outcome, labels.error_type].filter(Boolean).join(' '),
    ),
  );
}

async function tokens(): Promise<number[]> {
  return (await samples('ml_server_tokens_total')).map(({ value }) => value);
}

test('the client stays what it was', () => {
  expectTypeOf(client).toEqualTypeOf<OpenAI>();
  expect(client).toBeInstanceOf(OpenAI);
});

test('an answer is counted with its model and tokens, and so is every way to ask for it', async () => {
  const asking = client.chat.completions.create({ model: 'small', messages });
  const { data, response } = await asking.withResponse();
  expect(response.status).toBe(200);
  expect(await asking).toBe(data);
  expect(data.choices[0]?.message.content).toBe('hello');
  await client.responses.create({ model: 'small', input: 'hi' });
  await client.embeddings.create({ model: 'small', input: 'hi', encoding_format: 'float' });
  await client.chat.completions.parse({ model: 'small', messages });
  expect(await outcomes()).toEqual(Array(4).fill('small ok'));
  expect(await tokens()).toEqual([6, 12, 3, 0]);
  const chats = await samples('gen_ai_server_request_duration_count', { gen_ai_operation_name: 'chat' });
  expect(chats.map(({ value }) => value)).toEqual([3]);
});

test('a raw response is handed over with its body unread', async () => {
  const raw = await client.chat.completions.create({ model: 'raw', messages }).asResponse();
  expect(await outcomes()).toEqual(['raw ok']);
  expect(await raw.json()).toMatchObject({ model: 'raw' });
});

test('a stream is counted at its end, with the time to its first token', async () => {
  const stream = await client.chat.completions.create({ model: 'chat', messages, stream: true });
  expect(await outcomes()).toEqual([]);
  const words: string[] = [];
  for await (const chunk of stream) words.push(chunk.choices[0]?.delta.content ?? '');
  expect(words.join('')).toBe('hello');
  const events = await client.responses.create({ model: 'chat', input: 'hi', stream: true });
  await readAll(events);
  expect(await outcomes()).toEqual(['chat ok', 'chat ok']);
  expect(await tokens()).toEqual([4, 8]);
  const [first] = await samples('gen_ai_server_time_to_first_token_count');
  expect(first?.value).toBe(2);
});

test('a stream is one request, by whatever way it is read', async () => {
  const [left, right] = (
    await client.chat.completions.create({ model: 'tee', messages, stream: true })
  ).tee();
  await readAll(left);
  await readAll(right);
  const stream = await client.chat.completions.create({ model: 'tee', messages, stream: true });
  await new Response(stream.toReadableStream() as ReadableStream).text();
  await client.chat.completions.stream({ model: 'tee', messages }).done();
  expect(await outcomes()).toEqual(Array(3).fill('tee ok'));
});

test('a reader who leaves and one who aborts have cancelled', async () => {
  for await (const _ of await client.chat.completions.create({ model: 'endless', messages, stream: true }))
    break;
  const aborted = await client.chat.completions.create({ model: 'endless', messages, stream: true });
  for await (const _ of aborted) aborted.controller.abort();
  const abort = new AbortController();
  const asking = client.chat.completions.create({ model: 'silent', messages }, { signal: abort.signal });
  abort.abort();
  await expect(asking).rejects.toThrow('aborted');
  expect((await outcomes()).toSorted()).toEqual([
    'endless cancelled cancelled',
    'endless cancelled cancelled',
    'silent cancelled cancelled',
  ]);
});

test.each([
  { model: 'status-429', counted: 'status-429 error rate_limited' },
  { model: 'status-500', counted: 'status-500 error model_error' },
  { model: 'status-401', counted: 'status-401 error unauthorized' },
  { model: 'silent', counted: 'silent timeout timeout', timeout: 50 },
])(
  '$model is counted as what it is, and the application gets the error',
  async ({ model, counted, timeout = 60_000 }) => {
    await expect(client.chat.completions.create({ model, messages }, { timeout })).rejects.toThrow();
    expect(await outcomes()).toEqual([counted]);
  },
);

test('a stream that breaks off and an answer that says it failed are failures', async () => {
  const stream = await client.chat.completions.create({ model: 'breaks', messages, stream: true });
  await expect(readAll(stream)).rejects.toThrow();
  await client.responses.create({ model: 'failed', input: 'hi' });
  await readAll(await client.responses.create({ model: 'failed', input: 'hi', stream: true }));
  expect((await outcomes()).map(counted => counted.split(' ').slice(0, 2).join(' '))).toEqual([
    'breaks error',
    'failed error',
    'failed error',
  ]);
});

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

test('a refused connection is one', async () => {
  const baseURL = `http://127.0.0.1:${await freePort()}/v1`;
  const nobody = wrap(new OpenAI({ apiKey: 'none', baseURL, maxRetries: 0 }), { ml, version });
  await expect(nobody.chat.completions.create({ model: 'gone', messages })).rejects.toThrow();
  expect(await outcomes()).toEqual(['gone error connection_refused']);
});

test('a failure that nobody looks at stays an unhandled rejection', async () => {
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  const unhandled = once(process, 'unhandledRejection');
  void client.chat.completions.create({ model: 'status-500', messages });
  const [error] = await unhandled;
  for (const listener of listeners) process.on('unhandledRejection', listener);
  expect(error).toMatchObject({ status: 500 });
  expect(await outcomes()).toEqual(['status-500 error model_error']);
});

test('a name that is given wins', async () => {
  wrap(client, { ml, version, name: 'mine' });
  await client.chat.completions.create({ model: 'small', messages });
  expect(await outcomes()).toEqual(['mine ok']);
});

test('what is no client is left as it is, and counted', async () => {
  const stranger = Object.freeze({ chat: { completions: {} } });
  expect(wrap(stranger, { ml })).toBe(stranger);
  const page = await (await fetch(ml.endpoint!)).text();
  expect(samplesOf(page, 'ml_telemetry_rejected_total', { reason: 'unknown_library' })[0]?.value).toBe(1);
  expect(() => wrap(client)).toThrow('give ml');
});
