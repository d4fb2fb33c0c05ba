import { counterQueries } from '@relaycore/rules';
import { describe, expect, test } from 'vitest';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import type { Increment } from './increments.ts';
import { type PairMemory, pairReadings } from './pairs.ts';

const policy = policyOf(`
models: { chat: {} }
signals:
  toxicity: { bad: flagged_total, total: checked_total, critical_threshold: 0.02 }
`);
const query = (name: string) => counterQueries(policy).find(one => one.name === name)!;

const tickMs = 5000;
const maxGapMs = 60_000;

/** What one target's counter grew by. */
const grew = (side: 'bad' | 'total', delta: number, instance: string): Increment => ({
  labels: { model: 'chat', job: 'jobs', instance },
  query: query(`toxicity.${side}`),
  delta,
});
const bad = (delta: number, instance = 'a:1') => grew('bad', delta, instance);
const total = (delta: number, instance = 'a:1') => grew('total', delta, instance);

/** Readings of the pair, tick by tick: [good, bad], or why there is none. */
function reader() {
  let memory: PairMemory | undefined;
  let at = 0;
  return (...grown: readonly Increment[]): [number, number] | string | undefined => {
    at += tickMs;
    const step = pairReadings(memory, grown, { at, maxGapMs, idOf: ({ modelName }) => modelName });
    memory = step.memory;
    const reading = step.readings.get('chat')?.get('toxicity');
    if (reading?.kind !== 'counts') return reading?.reason;
    const of = (badness: number) =>
      reading.levels.critical.find(observation => observation.badness === badness)?.count ?? 0;
    return [of(0), of(1)];
  };
}

describe('on one target', () => {
  test('what was bad is taken from all', () => {
    const read = reader();
    expect(read(bad(2), total(100))).toEqual([98, 2]);
    expect(read(bad(0), total(0))).toEqual([0, 0]);
  });

  test('replicas are added up', () => {
    expect(reader()(bad(2, 'a:1'), total(50, 'a:1'), bad(1, 'b:1'), total(50, 'b:1'))).toEqual([97, 3]);
  });

  test('a counter of bad ones that was never born means none', () => {
    expect(reader()(total(100))).toEqual([100, 0]);
  });

  test('bad ones alone say nothing', () => {
    expect(reader()(bad(3))).toBe('its bad ones are counted, but nothing counts all of them (total)');
  });

  test('more bad ones than all wait for the next tick, and are counted once', () => {
    const read = reader();
    expect(read(bad(3), total(1))).toBe('more bad ones were counted (3) than there were in all (1)');
    expect(read(bad(0), total(9))).toEqual([7, 3]);
    expect(read(bad(1), total(10))).toEqual([9, 1]);
  });

  test('a replica that goes takes both sides along, and nothing waits for it', () => {
    const read = reader();
    read(bad(1, 'a:1'), total(50, 'a:1'), bad(1, 'b:1'), total(50, 'b:1'));
    expect(read(bad(1, 'a:1'), total(50, 'a:1'))).toEqual([49, 1]);
  });

  test('what never adds up is given up after the longest gap', () => {
    const read = reader();
    read(bad(5), total(0));
    for (let i = 0; i < maxGapMs / tickMs; i++) expect(read(bad(1), total(1))).toMatch(/^more bad ones/);
    expect(read(bad(1), total(1))).toMatch(/^more bad ones/);
    expect(read(bad(1), total(4))).toEqual([3, 1]);
  });
});

describe('on different targets', () => {
  const both = (bads: number, all: number) => [bad(bads, 'moderation:1'), total(all, 'gateway:1')];

  test('they are taken together', () => {
    expect(reader()(...both(2, 100))).toEqual([98, 2]);
  });

  test('while one side is not scraped the other waits; its return covers the gap', () => {
    const read = reader();
    read(...both(2, 100));
    const why =
      'bad and total are counted by different targets, and jobs moderation:1 was not scraped lately';
    expect(read(total(100, 'gateway:1'))).toBe(why);
    expect(read(total(100, 'gateway:1'))).toBe(why);
    expect(read(...both(6, 100))).toEqual([294, 6]);
  });

  test('bad ones without their total wait too', () => {
    const read = reader();
    read(...both(2, 100));
    expect(read(bad(2, 'moderation:1'))).toMatch(/jobs gateway:1 was not scraped lately$/);
    expect(read(...both(2, 200))).toEqual([196, 4]);
  });

  test('a side that does not come back is forgotten, and what waited for it is not believed', () => {
    const read = reader();
    read(...both(2, 100));
    for (let i = 0; i < maxGapMs / tickMs; i++)
      expect(read(total(100, 'gateway:1'))).toMatch(/was not scraped lately$/);
    expect(read(total(100, 'gateway:1'))).toEqual([100, 0]);
  });
});

test('nothing is remembered of a model that is gone', () => {
  const step = (memory: PairMemory | undefined, at: number, ...grown: Increment[]) =>
    pairReadings(memory, grown, { at, maxGapMs, idOf: ({ modelName }) => modelName }).memory;
  const memory = step(undefined, 0, total(1));
  expect(step(memory, maxGapMs).size).toBe(1);
  expect(step(memory, maxGapMs + 1).size).toBe(0);
});

test('series that the policy does not know as a model’s are left out', () => {
  const { readings } = pairReadings(undefined, [total(1)], { at: 0, maxGapMs, idOf: () => undefined });
  expect(readings.size).toBe(0);
});
