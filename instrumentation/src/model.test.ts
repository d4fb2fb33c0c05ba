import { beforeEach, expect, test } from 'vitest';
import { samplesOf, sampleValue } from '../test/page.ts';
import { type Recording, startRecording } from '../test/recording.ts';
import { errorTypes } from './metrics.ts';
import { createModel, type Model } from './model.ts';
import { maximumEvaluationNames } from './quality.ts';
import { type Clock, createTicketPool } from './tickets.ts';

const base = {
  gen_ai_operation_name: 'classify',
  gen_ai_provider_name: 'example',
  gen_ai_request_model: 'spam-v1',
  ml_model_version: '1',
};

let nowMs: number;
let recording: Recording;
let model: Model;
let other: Model;

beforeEach(() => {
  nowMs = 1_000;
  recording = startRecording();
  const { recorder, rejections } = recording;
  const clock: Clock = (times, at) => {
    times[at] = nowMs;
  };
  const tickets = createTicketPool({ clock, maximumSlots: 2 });
  const context = { recorder, rejections, tickets, random: () => 0.5, closing: new AbortController().signal };
  const identity = { name: 'spam-v1', version: '1', operation: 'classify', provider: 'example' };
  const created = createModel(identity, { ...context, owner: 0 });
  recorder.beforeReading(created.updateGauges);
  model = created.model;
  other = createModel({ ...identity, name: 'spam-v2' }, { ...context, owner: 1 }).model;
});

test('every outcome stands at zero before the first request', async () => {
  const page = recording.page();
  const requests = samplesOf(page, 'ml_server_requests_total', base);
  expect(requests.map(sample => sample.value)).toEqual(requests.map(() => 0));
  const outcomes = requests.map(({ labels }) => `${labels.outcome} ${labels.error_type ?? '-'}`);
  const errors = errorTypes.map(errorType => `error ${errorType}`);
  expect(outcomes).toEqual(['ok -', ...errors, 'timeout timeout', 'cancelled cancelled']);
  expect(sampleValue(page, 'ml_server_active_requests', base)).toBe(0);
});

test('an answered request is counted, timed and split into queue and inference', async () => {
  const ticket = model.start();
  nowMs += 500;
  model.begin(ticket);
  expect(sampleValue(recording.page(), 'ml_server_active_requests', base)).toBe(1);
  nowMs += 1_500;
  model.end(ticket);

  const page = recording.page();
  expect(sampleValue(page, 'ml_server_requests_total', { ...base, outcome: 'ok' })).toBe(1);
  expect(sampleValue(page, 'ml_server_active_requests', base)).toBe(0);
  expect(sampleValue(page, 'ml_server_queue_duration_sum', base)).toBe(0.5);
  expect(sampleValue(page, 'ml_server_inference_duration_sum', base)).toBe(1.5);
  // Exactly at the threshold of 2 s is not over it: edges are inclusive.
  expect(sampleValue(page, 'gen_ai_server_request_duration_bucket', { ...base, le: '2' })).toBe(1);
  expect(sampleValue(page, 'gen_ai_server_request_duration_bucket', { ...base, le: '1.28' })).toBe(0);
});

test('a failed request is counted and timed with its error type', async () => {
  const ticket = model.start();
  nowMs += 3_000;
  model.fail(ticket, { code: 'ECONNREFUSED' });
  const page = recording.page();
  const failed = { ...base, error_type: 'connection_refused' };
  expect(sampleValue(page, 'ml_server_requests_total', { ...failed, outcome: 'error' })).toBe(1);
  expect(sampleValue(page, 'gen_ai_server_request_duration_sum', failed)).toBe(3);
});

test('a cancelled request is counted and leaves the durations alone', async () => {
  const ticket = model.start();
  model.begin(ticket);
  nowMs += 60_000;
  model.fail(ticket, AbortSignal.abort().reason);
  const page = recording.page();
  const cancelled = { ...base, outcome: 'cancelled', error_type: 'cancelled' };
  expect(sampleValue(page, 'ml_server_requests_total', cancelled)).toBe(1);
  expect(sampleValue(page, 'gen_ai_server_request_duration_count', base)).toBe(0);
  expect(sampleValue(page, 'ml_server_inference_duration_count', base)).toBe(0);
});

test("a ticket ended twice, or another model's, is ignored and counted", async () => {
  const ticket = model.start();
  other.end(ticket);
  model.end(ticket);
  model.end(ticket);
  model.fail(ticket, new Error('late'));
  const page = recording.page();
  expect(sampleValue(page, 'ml_server_requests_total', { ...base, outcome: 'ok' })).toBe(1);
  expect(sampleValue(page, 'ml_server_active_requests', base)).toBe(0);
  expect(recording.rejected('stale_ticket')).toBe(3);
});

test('requests beyond the pool are refused a ticket, counted once, and harmless to end', async () => {
  const tickets = [model.start(), model.start(), model.start()];
  for (const ticket of tickets) model.end(ticket);
  expect(recording.rejected('too_many_open_requests')).toBe(1);
  expect(recording.rejected('stale_ticket')).toBe(0);
  expect(sampleValue(recording.page(), 'ml_server_active_requests', base)).toBe(0);
});

test('a score lands on an edge, under its name and source', async () => {
  model.evaluate('accuracy', 1);
  model.evaluate('accuracy', 0.87, { source: 'judge' });
  const page = recording.page();
  const labelled = { ...base, evaluation_name: 'accuracy', source: 'label' };
  const judged = { ...base, evaluation_name: 'accuracy', source: 'judge' };
  expect(sampleValue(page, 'ml_evaluation_score_sum', labelled)).toBe(1);
  expect(sampleValue(page, 'ml_evaluation_score_bucket', { ...labelled, le: '0.9' })).toBe(0);
  // 0.87 rounds up to 0.9 in seven of ten cases, and 0.5 is one of the seven.
  expect(sampleValue(page, 'ml_evaluation_score_sum', judged)).toBe(0.9);
  expect(sampleValue(page, 'ml_evaluation_score_bucket', { ...judged, le: '0.9' })).toBe(1);
});

test('a rating is scaled to [0, 1]', async () => {
  model.feedback(4, { min: 1, max: 5 });
  expect(sampleValue(recording.page(), 'ml_feedback_rating_sum', base)).toBe(0.75);
});

const wrongly = (call: (model: Record<string, (...given: unknown[]) => void>) => void) => call;
test.each([
  { reason: 'invalid_score', call: wrongly(it => it.evaluate!('accuracy', 1.01)) },
  { reason: 'invalid_score', call: wrongly(it => it.evaluate!('accuracy', Number.NaN)) },
  { reason: 'invalid_score', call: wrongly(it => it.evaluate!('accuracy', '1')) },
  { reason: 'invalid_evaluation_name', call: wrongly(it => it.evaluate!('', 1)) },
  { reason: 'unknown_source', call: wrongly(it => it.evaluate!('accuracy', 1, { source: 'rumour' })) },
  { reason: 'invalid_rating', call: wrongly(it => it.feedback!(6, { min: 1, max: 5 })) },
  { reason: 'invalid_token_count', call: wrongly(it => it.tokens!({ input: -1 })) },
  { reason: 'invalid_token_count', call: wrongly(it => it.tokens!({ output: Number.NaN })) },
  { reason: 'internal_error', call: wrongly(it => it.tokens!(null)) },
  { reason: 'stale_ticket', call: wrongly(it => it.token!(undefined)) },
  { reason: 'stale_ticket', call: wrongly(it => it.end!(undefined)) },
  { reason: 'internal_error', call: wrongly(it => it.end!(Symbol('no number'))) },
])('what cannot be recorded is counted as $reason and not thrown', async ({ reason, call }) => {
  call(model as unknown as Record<string, (...given: unknown[]) => void>);
  expect(recording.rejected(reason)).toBe(1);
  expect(samplesOf(recording.page(), 'ml_evaluation_score_count')).toEqual([]);
});

test('evaluation names are capped, and the known ones go on', async () => {
  for (let index = 0; index < maximumEvaluationNames + 10; index++) model.evaluate(`name-${index}`, 1);
  model.evaluate('name-0', 1);
  expect(recording.rejected('too_many_evaluation_names')).toBe(10);
  const page = recording.page();
  expect(samplesOf(page, 'ml_evaluation_score_count')).toHaveLength(maximumEvaluationNames);
  expect(samplesOf(page, 'ml_evaluation_score_count', { evaluation_name: 'name-0' })[0]?.value).toBe(2);
});

test('tokens are counted, and their times are those of answers', () => {
  const ticket = model.start();
  nowMs += 300;
  model.token(ticket);
  nowMs += 400;
  model.token(ticket, 4);
  model.end(ticket);
  const failed = model.start();
  model.token(failed);
  model.fail(failed, new Error('no'));
  const single = model.start();
  model.token(single);
  model.end(single);
  const page = recording.page();
  expect(sampleValue(page, 'gen_ai_server_time_to_first_token_sum', base)).toBe(0.3);
  expect(sampleValue(page, 'gen_ai_server_time_to_first_token_count', base)).toBe(2);
  // Four tokens after the first within 400 ms; an answer of one token has no time between tokens.
  expect(sampleValue(page, 'gen_ai_server_time_per_output_token_sum', base)).toBe(0.1);
  expect(sampleValue(page, 'gen_ai_server_time_per_output_token_count', base)).toBe(1);

  model.tokens({ input: 20, output: 5 });
  model.tokens({ output: 1 });
  const counted = recording.page();
  expect(sampleValue(counted, 'ml_server_tokens_total', { ...base, gen_ai_token_type: 'input' })).toBe(20);
  expect(sampleValue(counted, 'ml_server_tokens_total', { ...base, gen_ai_token_type: 'output' })).toBe(6);
});

test('a stream is the answer of its request', async () => {
  async function* answer() {
    nowMs += 100;
    yield 'a';
    nowMs += 50;
    yield 'b';
  }
  const stream = answer();
  expect(model.stream(model.start(), stream)).toBe(stream);
  for await (const _ of stream);
  const left = model.stream(model.start(), answer());
  for await (const _ of left) break;
  const page = recording.page();
  expect(sampleValue(page, 'ml_server_requests_total', { ...base, outcome: 'ok' })).toBe(1);
  const cancelled = { ...base, outcome: 'cancelled', error_type: 'cancelled' };
  expect(sampleValue(page, 'ml_server_requests_total', cancelled)).toBe(1);
  expect(sampleValue(page, 'gen_ai_server_time_to_first_token_sum', base)).toBe(0.1);
  expect(sampleValue(page, 'gen_ai_server_time_per_output_token_sum', base)).toBe(0.05);
  expect(sampleValue(page, 'ml_server_active_requests', base)).toBe(0);
});

test('a stream that cannot be observed is counted, and its request is not left open', () => {
  const frozen = Object.freeze({ async *[Symbol.asyncIterator]() {} });
  expect(model.stream(model.start(), frozen)).toBe(frozen);
  expect(recording.rejected('unobservable_stream')).toBe(1);
  expect(sampleValue(recording.page(), 'ml_server_active_requests', base)).toBe(0);
});

test('the queue is who has arrived and not begun, where somebody says when the model begins', () => {
  const [first, second] = [model.start(), model.start()];
  expect(sampleValue(recording.page(), 'ml_server_queue_size', base)).toBe(0);
  model.begin(first);
  expect(sampleValue(recording.page(), 'ml_server_queue_size', base)).toBe(1);
  model.fail(second, undefined, 'cancelled');
  expect(sampleValue(recording.page(), 'ml_server_queue_size', base)).toBe(0);
  model.end(first);
  expect(sampleValue(recording.page(), 'ml_server_queue_size', base)).toBe(0);
});

test('a clock that jumps back costs the duration, which is counted, and not the outcome', () => {
  const ticket = model.start();
  nowMs -= 5_000;
  model.end(ticket);
  expect(recording.rejected('invalid_duration')).toBe(1);
  const page = recording.page();
  expect(sampleValue(page, 'ml_server_requests_total', { ...base, outcome: 'ok' })).toBe(1);
  expect(sampleValue(page, 'gen_ai_server_request_duration_count', base)).toBe(0);
  expect(sampleValue(page, 'gen_ai_server_request_duration_sum', base)).toBe(0);
});
