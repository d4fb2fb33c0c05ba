import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CounterMemory, type CounterSample, increments } from './increments.ts';

const tickMs = 5000;
const maxGapMs = 120_000;
const labels = { __name__: 'ml_server_requests_total', job: 'models', instance: 'a:1', outcome: 'ok' };

interface Sight {
  readonly tick: number;
  /** Undefined: the sample is missing. */
  readonly value: number | undefined;
  readonly source?: string;
  /** When the process says that it started, in ticks. */
  readonly startedAt?: number;
}

/** What the last of these sights counts; undefined when it counts nothing at all. */
function lastDelta(...sights: readonly Sight[]): number | undefined {
  let memory: CounterMemory | undefined;
  let delta: number | undefined;
  for (const { tick, value, source = 'prometheus', startedAt } of sights) {
    const step = increments(memory, value === undefined ? [] : [{ labels, value }], {
      source,
      at: tick * tickMs,
      maxGapMs,
      startedAt: () => (startedAt === undefined ? undefined : startedAt * tickMs),
    });
    memory = step.memory;
    delta = step.increments[0]?.delta;
  }
  return delta;
}

describe('one counter, sight by sight', () => {
  const seen = { tick: 10, value: 100 };

  test.each<[what: string, sights: Sight[], delta: number | undefined]>([
    ['grows', [seen, { tick: 11, value: 107 }], 7],
    ['stands still', [seen, { tick: 11, value: 100 }], 0],
    ['never seen before: a baseline', [seen], 0],
    ['lower than before: a reset, the whole new value counts', [seen, { tick: 11, value: 3 }], 3],
    [
      'a new process with a higher value: told by its start',
      [
        { ...seen, startedAt: 0 },
        { tick: 11, value: 130, startedAt: 10.5 },
      ],
      130,
    ],
    [
      'the same process: its start is older than the last sight',
      [
        { ...seen, startedAt: 0 },
        { tick: 11, value: 130, startedAt: 0 },
      ],
      30,
    ],
    [
      'the same process, whose clock is a minute ahead: not new at every tick',
      [
        { ...seen, startedAt: 22 },
        { tick: 11, value: 130, startedAt: 22 },
      ],
      30,
    ],
    [
      'a start that wobbles by a few milliseconds is no new process',
      [
        { ...seen, startedAt: 3 },
        { tick: 11, value: 130, startedAt: 3.001 },
      ],
      30,
    ],
    ['missing', [seen, { tick: 11, value: undefined }], undefined],
    [
      'missing, then back: the gap is covered',
      [seen, { tick: 11, value: undefined }, { tick: 12, value: 109 }],
      9,
    ],
    ['unseen for as long as is believed', [seen, { tick: 34, value: 109 }], 9],
    ['unseen for longer: a new baseline', [seen, { tick: 35, value: 109 }], 0],
    ['from another source: a new baseline', [seen, { tick: 11, value: 109, source: 'replica' }], 0],
    [
      'from another source and back: still a new baseline',
      [seen, { tick: 11, value: 109, source: 'replica' }, { tick: 12, value: 115 }],
      0,
    ],
    ['NaN is a missing sample', [seen, { tick: 11, value: Number.NaN }, { tick: 12, value: 109 }], 9],
    ['infinity too', [seen, { tick: 11, value: Number.POSITIVE_INFINITY }, { tick: 12, value: 109 }], 9],
    ['a negative value too', [seen, { tick: 11, value: -1 }, { tick: 12, value: 109 }], 9],
  ])('%s', (_what, sights, delta) => {
    expect(lastDelta(...sights)).toBe(delta);
  });

  test('an invalid sample counts nothing', () => {
    expect(lastDelta(seen, { tick: 11, value: Number.NaN })).toBeUndefined();
    expect(lastDelta(seen, { tick: 11, value: -1 })).toBeUndefined();
  });
});

describe('a series that appears later', () => {
  const older = { labels, value: 100 };
  const newer = { labels: { ...labels, instance: 'b:1' }, value: 12 };
  const appears = (startedAt: number | undefined) => {
    const { memory } = increments(
      undefined,
      [older],
      options(10, () => undefined),
    );
    const step = increments(
      memory,
      [older, newer],
      options(11, ({ instance }) => (instance === 'b:1' ? startedAt : 0)),
    );
    return step.increments.find(increment => increment.labels === newer.labels)?.delta;
  };

  test.each([
    ['of a process that started after the previous tick counts from zero', 10.5, 12],
    ['of an older process is a baseline', 9.5, 0],
    ['of a process that does not say when it started is a baseline', undefined, 0],
  ])('%s', (_what, startedAt, delta) => {
    expect(appears(startedAt === undefined ? undefined : startedAt * tickMs)).toBe(delta);
  });
});

test('the order of the samples changes nothing', () => {
  const series = (instance: string, value: number): CounterSample => ({
    labels: { ...labels, instance },
    value,
  });
  const first = ['a', 'b', 'c'].map((instance, i) => series(instance, 10 * i));
  const second = ['a', 'b', 'c'].map((instance, i) => series(instance, 10 * i + i + 1));
  const { memory } = increments(undefined, first, options(1));
  const forwards = increments(memory, second, options(2));
  const backwards = increments(memory, second.toReversed(), options(2));
  expect(backwards.increments.toReversed()).toEqual(forwards.increments);
  expect(forwards.increments.map(({ delta }) => delta)).toEqual([1, 2, 3]);
});

test('the sum of the increments is every request that a scrape ever saw, through restarts and missed scrapes', () => {
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('requests' as const), count: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), count: fc.nat(40) }) },
  );
  const tick = fc.record({ events: fc.array(event, { maxLength: 3 }), missed: fc.boolean() });
  fc.assert(
    fc.property(fc.nat(1000), fc.array(tick, { maxLength: 40 }), (already, ticks) => {
      const server = modelServer(already);
      let memory: CounterMemory | undefined;
      let counted = 0;
      const scrape = (at: number, samples: CounterSample[]) => {
        const step = increments(memory, samples, {
          source: 'prometheus',
          at,
          maxGapMs: 4 * tickMs,
          startedAt: () => server.startedAt(),
        });
        memory = step.memory;
        for (const { delta } of step.increments) counted += delta;
      };
      scrape(tickMs, [{ labels, value: server.scraped() }]);
      const before = server.survived();
      let missedInARow = 0;
      for (const [i, { events, missed }] of ticks.entries()) {
        const at = (i + 2) * tickMs;
        for (const [j, { kind, count }] of events.entries())
          if (kind === 'requests') server.serve(count);
          else server.restart(at - tickMs + 1000 * (j + 1), count);
        missedInARow = missed && missedInARow < 3 ? missedInARow + 1 : 0;
        scrape(at, missedInARow > 0 ? [] : [{ labels, value: server.scraped() }]);
      }
      expect(counted).toBe(server.survived() - before);
    }),
    { numRuns: 500 },
  );
});

/** Keeps every request by itself, so that the truth is not computed the way the code under test does. */
function modelServer(already: number) {
  let next = 0;
  let inMemory: number[] = [];
  let startedAt = 0;
  const seen = new Set<number>();
  const serve = (count: number) => {
    for (let i = 0; i < count; i++) inMemory.push(next++);
  };
  serve(already);
  return {
    serve,
    startedAt: () => startedAt,
    restart(at: number, thenServes: number) {
      inMemory = [];
      startedAt = at;
      serve(thenServes);
    },
    scraped() {
      for (const request of inMemory) seen.add(request);
      return inMemory.length;
    },
    survived: () => seen.size,
  };
}

function options(
  tick: number,
  startedAt: (labels: CounterSample['labels']) => number | undefined = () => undefined,
) {
  return { source: 'prometheus', at: tick * tickMs, maxGapMs, startedAt };
}
