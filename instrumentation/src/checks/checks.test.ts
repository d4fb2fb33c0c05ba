import { beforeEach, expect, test, vi } from 'vitest';
import { prose } from '../../test/answers/prose.ts';
import { samplesOf, sampleValue } from '../../test/page.ts';
import { type Recording, startRecording } from '../../test/recording.ts';
import type { Model } from '../model.ts';
import { createModels } from '../models.ts';
import type { CheckOptions } from './checks.ts';

const base = {
  gen_ai_operation_name: 'chat',
  gen_ai_provider_name: 'example',
  gen_ai_request_model: 'chat-1',
  ml_model_version: '1',
};
const everything = { sample: 1, maximumPerSecond: 1e6 };

let recording: Recording;
let model: Model;

beforeEach(() => {
  recording = startRecording();
  const modelOf = createModels({ ...recording, maximumModels: 1 });
  model = modelOf({ name: 'chat-1', version: '1', operation: 'chat', provider: 'example' });
});

function scores(check: string) {
  const labels = { ...base, evaluation_name: check, source: 'check' };
  const page = recording.page();
  return {
    count: sampleValue(page, 'ml_evaluation_score_count', labels),
    sum: sampleValue(page, 'ml_evaluation_score_sum', labels),
  };
}

function unscored(reason: string): number {
  return sampleValue(recording.page(), 'ml_evaluation_unscored_total', { ...base, source: 'check', reason });
}

async function untilScored(check: string, count: number): Promise<void> {
  await vi.waitFor(() => expect(scores(check).count).toBe(count), { timeout: 10_000 });
}

test('every check that is asked for is a score of its own, at zero before the first answer', async () => {
  const checks = model.checks({
    ...everything,
    empty: true,
    truncated: 'prose',
    schema: { type: 'object' },
    refusal: true,
    repetition: true,
    language: 'en',
    tooFast: true,
  });
  const names = ['empty', 'truncated', 'schema', 'refusal', 'repetition', 'language', 'too_fast'];
  for (const name of names) expect(scores(name)).toEqual({ count: 0, sum: 0 });
  checks.observe({
    text: `${prose.en!.join(' ')} I will then`,
    finishReason: 'stop',
    tokens: 90,
    seconds: 2,
  });
  await untilScored('empty', 1);
  expect(scores('empty')).toEqual({ count: 1, sum: 1 });
  expect(scores('truncated')).toEqual({ count: 1, sum: 0 });
  expect(scores('schema')).toEqual({ count: 1, sum: 0 });
  expect(scores('language')).toEqual({ count: 1, sum: 1 });
  // Of one answer it is not known how long it should have taken.
  expect(scores('too_fast')).toEqual({ count: 0, sum: 0 });
});

test('an answer is checked after the turn that it was observed in', async () => {
  model.checks({ ...everything, empty: true }).observe({ text: '' });
  expect(scores('empty').count).toBe(0);
  await untilScored('empty', 1);
  expect(scores('empty').sum).toBe(0);
});

test('a call of a tool may say nothing', async () => {
  const checks = model.checks({ ...everything, empty: true, schema: { type: 'object' } });
  checks.observe({ text: '', finishReason: 'tool_calls' });
  checks.observe({ text: '{}', finishReason: 'stop' });
  await untilScored('empty', 1);
  expect(scores('schema')).toEqual({ count: 1, sum: 1 });
});

test('no more are checked in a second than may be, and the others are counted', async () => {
  const checks = model.checks({ sample: 1, maximumPerSecond: 3, empty: true });
  for (let index = 0; index < 10; index++) checks.observe({ text: 'Yes.' });
  await untilScored('empty', 3);
  expect(unscored('rate_limited')).toBe(7);
});

test('about the share that is asked for is drawn, and the rest is not counted', async () => {
  const checks = model.checks({ sample: 0.5, maximumPerSecond: 1e6, empty: true });
  for (let index = 0; index < 900; index++) checks.observe({ text: 'Yes.' });
  await vi.waitFor(() => expect(scores('empty').count).toBeGreaterThan(300), { timeout: 10_000 });
  checks.observe({ text: 'Yes.' });
  expect(scores('empty').count).toBeLessThan(600);
  expect(unscored('rate_limited') + unscored('queue_full')).toBe(0);
});

test('what waits is bounded in answers and in their length', async () => {
  const checks = model.checks({ ...everything, empty: true });
  for (let index = 0; index < 1_200; index++) checks.observe({ text: 'Yes.' });
  expect(unscored('queue_full')).toBe(200);
  await untilScored('empty', 1_000);
  const long = 'Yes. '.repeat(2 ** 18);
  for (let index = 0; index < 5; index++) checks.observe({ text: long });
  expect(unscored('queue_full')).toBe(202);
  await untilScored('empty', 1_003);
});

test('thousands that wait do not hold the event loop up', async () => {
  const checks = model.checks({ ...everything, repetition: true, language: 'en' });
  const text = prose.en!.join(' ').repeat(20);
  for (let index = 0; index < 300; index++) checks.observe({ text });
  let turns = 0;
  while (scores('repetition').count < 300) {
    turns += 1;
    await new Promise(resolve => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(10);
});

const wrongly = (answer: unknown) => answer as Parameters<ReturnType<Model['checks']>['observe']>[0];
test.each([
  { answer: wrongly({ text: 7 }), reason: 'invalid_answer' },
  { answer: wrongly({}), reason: 'invalid_answer' },
  { answer: wrongly({ text: 'a', language: 1 }), reason: 'invalid_answer' },
  { answer: wrongly(null), reason: 'internal_error' },
])('$answer is not taken in, and counted', ({ answer, reason }) => {
  model.checks({ ...everything, empty: true }).observe(answer);
  expect(recording.rejected(reason)).toBe(1);
});

test.each<{ options: CheckOptions; problem: string }>([
  { options: {}, problem: 'no check is asked for: give empty: true' },
  { options: { empty: true, sample: 0 }, problem: 'sample is 0: give a share above 0' },
  { options: { empty: true, sample: 10 }, problem: 'sample is 10' },
  { options: { empty: true, maximumPerSecond: Number.NaN }, problem: 'maximumPerSecond is NaN' },
  { options: { language: 'tlh' }, problem: 'language cannot be checked: "tlh" is no language' },
  { options: { schema: { type: 'objekt' } }, problem: 'schema cannot be checked: schema is invalid' },
  { options: { sample: 2, language: 'x' }, problem: '- language cannot' },
])('$options is refused: $problem', ({ options, problem }) => {
  expect(() => model.checks(options)).toThrow(problem);
});

/** A server that answers 200 in its usual time, and whose answers go wrong: no label, no error, no latency tells. */
const good = (index: number) => ({
  text: `{"summary": "${prose.en![index % 6]}"}`,
  finishReason: 'stop',
  tokens: 100,
  seconds: 2 + Math.sin(index),
});
test.each([
  { fault: 'empty', check: 'empty', bad: { text: ' ' } },
  { fault: 'truncated', check: 'truncated', bad: { text: '{"summary": "The par', finishReason: 'length' } },
  { fault: 'looping', check: 'repetition', bad: { text: `{"summary": "${'The parcel was '.repeat(200)}` } },
  { fault: 'schema-breaking', check: 'schema', bad: { text: 'Sure! Here is the summary of the mail.' } },
  { fault: 'declining', check: 'refusal', bad: { text: "I'm sorry, but I can't help with that." } },
  { fault: 'foreign', check: 'language', bad: { text: prose.de!.join(' ') } },
  { fault: 'dummy', check: 'too_fast', bad: { seconds: 0.003 } },
])('a server whose answers become $fault is seen by its checks alone', async ({ check, bad }) => {
  const checks = model.checks({
    ...everything,
    empty: true,
    truncated: true,
    schema: { type: 'object', required: ['summary'], properties: { summary: { type: 'string' } } },
    refusal: true,
    repetition: true,
    language: 'en',
    tooFast: true,
  });
  for (let index = 0; index < 200; index++) checks.observe(good(index));
  await untilScored('empty', 200);
  const names = samplesOf(recording.page(), 'ml_evaluation_score_count').map(
    it => it.labels.evaluation_name!,
  );
  for (const name of names) expect(scores(name).sum, name).toBe(scores(name).count);
  const before = scores(check);
  for (let index = 0; index < 100; index++) checks.observe({ ...good(index), ...bad });
  await untilScored('empty', 300);
  const after = scores(check);
  expect(after.count - before.count).toBe(100);
  expect((after.sum - before.sum) / 100).toBeLessThan(0.1);
});
