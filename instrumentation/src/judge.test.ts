import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sampleValue } from '../test/page.ts';
import { type Recording, startRecording } from '../test/recording.ts';
import type { JudgeOptions } from './judge.ts';
import type { Model } from './model.ts';
import { createModels } from './models.ts';

const base = {
  gen_ai_operation_name: 'chat',
  gen_ai_provider_name: 'example',
  gen_ai_request_model: 'chat-1',
  ml_model_version: '1',
  evaluation_name: 'helpfulness',
  source: 'judge',
};
const everything = { sample: 1, maximumPerSecond: 1e6 };

let recording: Recording;
let model: Model;
let closing: AbortController;

beforeEach(() => {
  closing = new AbortController();
  recording = startRecording();
  const modelOf = createModels({ ...recording, maximumModels: 1, closing: closing.signal });
  model = modelOf({ name: 'chat-1', version: '1', operation: 'chat', provider: 'example' });
});

afterEach(() => closing.abort());

const counted = () => sampleValue(recording.page(), 'ml_evaluation_score_count', base);
const unscored = (reason: string) =>
  sampleValue(recording.page(), 'ml_evaluation_unscored_total', { ...base, reason });

test('what the evaluator says becomes a score, after the turn of the request', async () => {
  const judged: string[] = [];
  const judge = model.judge(
    'helpfulness',
    async (sample: { answer: string }) => {
      judged.push(sample.answer);
      await delay(1);
      return sample.answer === 'Yes.' ? 1 : 0;
    },
    everything,
  );
  expect(counted()).toBe(0);
  judge.observe({ answer: 'Yes.' });
  judge.observe({ answer: 'No.' });
  expect(judged).toEqual([]);
  await vi.waitFor(() => expect(counted()).toBe(2));
  expect(judged).toEqual(['Yes.', 'No.']);
  expect(sampleValue(recording.page(), 'ml_evaluation_score_sum', base)).toBe(1);
});

test.each([
  { says: 'throws', scorer: () => Promise.reject(new Error('429')), reason: 'error' },
  {
    says: 'throws at once',
    scorer() {
      throw new Error('no key');
    },
    reason: 'error',
  },
  { says: 'hangs', scorer: () => new Promise<number>(() => {}), reason: 'timeout' },
  { says: '7', scorer: () => 7, reason: 'invalid_score' },
  { says: 'NaN', scorer: async () => Number.NaN, reason: 'invalid_score' },
  { says: 'null', scorer: async () => null, reason: 'unknown' },
])(
  'an evaluator that $says is counted as $reason, and the next one gets its turn',
  async ({ scorer, reason }) => {
    const judge = model.judge('helpfulness', scorer, { ...everything, concurrency: 1, timeoutMs: 20 });
    for (let index = 0; index < 3; index++) judge.observe('an answer');
    await vi.waitFor(() => expect(unscored(reason)).toBe(3));
    expect(counted()).toBe(0);
  },
);

test('the deadline aborts the signal', async () => {
  const aborted = vi.fn();
  const judge = model.judge(
    'helpfulness',
    (_: string, signal) => new Promise<number>(() => signal.addEventListener('abort', aborted)),
    { ...everything, timeoutMs: 10 },
  );
  judge.observe('an answer');
  await vi.waitFor(() => expect(aborted).toHaveBeenCalledOnce());
});

test('no more run at once, wait, or are drawn than may, and the others are counted', async () => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  const judge = model.judge(
    'helpfulness',
    async () => {
      running += 1;
      most = Math.max(most, running);
      await gate.promise;
      running -= 1;
      return 1;
    },
    { sample: 1, maximumPerSecond: 10, concurrency: 2, queue: 5 },
  );
  for (let index = 0; index < 12; index++) judge.observe(index);
  expect(unscored('queue_full')).toBe(5);
  expect(unscored('rate_limited')).toBe(2);
  gate.resolve();
  await vi.waitFor(() => expect(counted()).toBe(5));
  expect(most).toBe(2);
});

test('closing gives up what runs and lets go of what waits', async () => {
  const signals: AbortSignal[] = [];
  const judge = model.judge(
    'helpfulness',
    (_: number, signal) => {
      signals.push(signal);
      return new Promise<number>(() => {});
    },
    { ...everything, concurrency: 1 },
  );
  judge.observe(1);
  judge.observe(2);
  await vi.waitFor(() => expect(signals).toHaveLength(1));
  closing.abort();
  judge.observe(3);
  await new Promise(resolve => setImmediate(resolve));
  expect(signals.map(signal => signal.aborted)).toEqual([true]);
  expect(unscored('error') + unscored('timeout') + unscored('queue_full')).toBe(0);
});

test.each<{ options: JudgeOptions; problem: string }>([
  { options: { sample: 0 }, problem: 'sample is 0' },
  { options: { concurrency: 0 }, problem: 'concurrency is 0: give a whole number' },
  { options: { queue: 0.5 }, problem: 'queue is 0.5' },
  { options: { timeoutMs: Number.POSITIVE_INFINITY }, problem: 'timeoutMs is Infinity' },
])('$options is refused: $problem', ({ options, problem }) => {
  expect(() => model.judge('helpfulness', () => 1, options)).toThrow(problem);
});
