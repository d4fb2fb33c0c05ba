import { expect, it } from 'vitest';
import { type Answer, createStatistics } from './client-statistics.ts';

const good: Answer = {
  outcome: 'answered',
  sentAtMs: 10_500,
  endedAtMs: 10_520,
  latencySeconds: 0.02,
  population: 'early',
  model: 'spam-v1',
  correct: true,
};

it('puts an answer into the second in which its request was sent', () => {
  const statistics = recorded([good, { ...good, sentAtMs: 11_900, endedAtMs: 12_100, correct: false }]);
  expect(statistics.seconds().map(({ atMs, answered, accuracy }) => ({ atMs, answered, accuracy }))).toEqual([
    { atMs: 10_000, answered: 1, accuracy: 1 },
    { atMs: 11_000, answered: 1, accuracy: 0 },
  ]);
});

it('summarises a stretch of time', () => {
  const answers = Array.from(
    { length: 100 },
    (_, number): Answer => ({
      ...good,
      sentAtMs: 20_000 + number * 30,
      latencySeconds: (number + 1) / 100,
      model: number < 40 ? 'spam-v1' : 'spam-v2',
      correct: number % 4 !== 0,
    }),
  );
  expect(recorded([good, ...answers]).between(20_000, 23_000)).toEqual({
    sent: 100,
    answered: 100,
    failed: 0,
    lost: 0,
    correct: 75,
    accuracy: 0.75,
    latencyP50Seconds: 0.5,
    latencyP99Seconds: 0.99,
    servedBy: { 'spam-v1': 40, 'spam-v2': 60 },
  });
});

it('leaves what was not answered out of accuracy and latency', () => {
  const failed: Answer = { ...good, outcome: 'failed', latencySeconds: 9, correct: undefined };
  const statistics = recorded([good, failed, { ...failed, outcome: 'lost', model: undefined }]);
  expect(statistics.totals()).toEqual({ sent: 3, answered: 1, failed: 1, lost: 1, correct: 1 });
  expect(statistics.between(0, 20_000)).toMatchObject({ accuracy: 1, latencyP99Seconds: 0.02 });
});

it('has no accuracy and no latency where nothing was answered', () => {
  expect(recorded([]).between(0, 20_000)).toMatchObject({
    accuracy: undefined,
    latencyP50Seconds: undefined,
  });
});

it('forgets old seconds, but not in the totals', () => {
  const statistics = createStatistics(2);
  for (const sentAtMs of [1_000, 2_000, 3_000]) statistics.recordSent(sentAtMs);
  statistics.recordAnswer({ ...good, sentAtMs: 1_000 });
  expect(statistics.seconds().map(({ atMs }) => atMs)).toEqual([2_000, 3_000]);
  expect(statistics.totals()).toMatchObject({ sent: 3, answered: 1 });
});

function recorded(answers: readonly Answer[]) {
  const statistics = createStatistics();
  for (const answer of answers) {
    statistics.recordSent(answer.sentAtMs);
    statistics.recordAnswer(answer);
  }
  return statistics;
}
