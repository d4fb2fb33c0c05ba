import type { AttemptOutcome } from '@neuroweaver/instrumentation';
import { describe, expect, test } from 'vitest';
import { seededRandom, targetsAt } from './fixture.ts';
import { parseOptions, type RelayOptions } from './options.ts';
import { createOutliers } from './outliers.ts';

const limits = { failuresInRow: 3, baseMs: 100, capMs: 1_000, maxShare: 0.5, successesNeeded: 2 };
const targets = ['a', 'b'];

/** Pauses without jitter, unless it is what the test is about. */
const longest = () => 1;

describe('a target that fails', () => {
  test('so many times in a row is tried last until its pause is over', () => {
    const outliers = createOutliers(targets, limits, longest);
    expect(attempts(outliers, 'a', 0, ['error', 'timeout'])).toEqual([undefined, undefined]);
    expect(outliers.arrange(targets, 0)).toEqual(['a', 'b']);
    expect(attempts(outliers, 'a', 0, ['refused'])).toEqual([{ kind: 'avoided', forMs: 100 }]);
    expect(outliers.arrange(targets, 99)).toEqual(['b', 'a']);
    expect(outliers.arrange(targets, 100)).toEqual(['a', 'b']);
  });

  test('now and then stays in its turn', () => {
    const outliers = createOutliers(targets, limits, longest);
    attempts(outliers, 'a', 0, ['error', 'error', 'ok', 'error', 'error', 'ok']);
    expect(outliers.arrange(targets, 0)).toEqual(['a', 'b']);
  });

  test('because callers leave has not failed', () => {
    const outliers = createOutliers(targets, limits, longest);
    attempts(outliers, 'a', 0, ['error', 'error', 'cancelled', 'cancelled']);
    expect(outliers.arrange(targets, 0)).toEqual(['a', 'b']);
    attempts(outliers, 'a', 0, ['error']);
    expect(outliers.arrange(targets, 0)).toEqual(['b', 'a']);
  });
});

describe('after the pause', () => {
  test('one request at a time tries it, and several good answers are needed', () => {
    const outliers = avoidedA();
    expect(outliers.arrange(targets, 100)).toEqual(['a', 'b']);
    const end = outliers.begin('a', 100);
    expect(outliers.arrange(targets, 101)).toEqual(['b', 'a']);
    expect(end('ok', 110)).toBeUndefined();
    expect(outliers.arrange(targets, 110)).toEqual(['a', 'b']);
    expect(outliers.begin('a', 120)('ok', 130)).toEqual({ kind: 'trusted again' });
    const ends = [outliers.begin('a', 140), outliers.begin('a', 141)];
    expect(outliers.arrange(targets, 142)).toEqual(['a', 'b']);
    for (const each of ends) each('ok', 150);
  });

  test('a failure doubles the next one, up to the longest', () => {
    const outliers = avoidedA();
    let nowMs = 100;
    const pauses = [200, 400, 800, 1_000, 1_000].map(expected => {
      attempts(outliers, 'a', nowMs, ['ok', 'error']);
      const [before, after] = [nowMs + expected - 1, nowMs + expected];
      expect(outliers.arrange(targets, before)).toEqual(['b', 'a']);
      nowMs = after;
      return outliers.arrange(targets, after)[0];
    });
    expect(new Set(pauses)).toEqual(new Set(['a']));
  });

  test('what began before it was over is not news', () => {
    const outliers = createOutliers(targets, limits, longest);
    const slow = [outliers.begin('a', 0), outliers.begin('a', 0), outliers.begin('a', 0)];
    attempts(outliers, 'a', 0, ['error', 'error', 'error']);
    for (const [index, end] of slow.entries()) end(index === 0 ? 'ok' : 'error', 500);
    expect(outliers.arrange(targets, 500)).toEqual(['a', 'b']);
    expect(attempts(outliers, 'a', 500, ['ok'])).toEqual([undefined]);
  });

  test('an answer that is long in coming keeps nobody out', () => {
    const outliers = avoidedA();
    outliers.begin('a', 100);
    expect(outliers.arrange(targets, 100 + limits.capMs)).toEqual(['a', 'b']);
  });

  test('only lasting good answers make the next pause short again', () => {
    const outliers = avoidedA();
    attempts(outliers, 'a', 100, [...Array(5).fill('ok'), 'error', 'error']);
    expect(attempts(outliers, 'a', 100, ['error'])).toEqual([{ kind: 'avoided', forMs: 200 }]);
    attempts(outliers, 'a', 300, [...Array(40).fill('ok'), 'error', 'error']);
    expect(attempts(outliers, 'a', 300, ['error'])).toEqual([{ kind: 'avoided', forMs: 100 }]);
  });
});

test.each([
  { names: ['a'], avoided: [] },
  { names: ['a', 'b'], avoided: ['a'] },
  { names: ['a', 'b', 'c'], avoided: ['a', 'b'] },
  { names: ['a', 'b', 'c', 'd', 'e'], avoided: ['a', 'b', 'c'] },
])('of $names.length targets that all fail $avoided.length are avoided', ({ names, avoided }) => {
  const outliers = createOutliers(names, limits, longest);
  for (const name of names) attempts(outliers, name, 0, ['error', 'error', 'error']);
  const rest = names.filter(name => !avoided.includes(name));
  expect(outliers.arrange(names, 0)).toEqual([...rest, ...avoided]);
});

test('a target whose pause is long over does not keep another one from being avoided', () => {
  const outliers = avoidedA();
  attempts(outliers, 'b', 5_000, ['error', 'error', 'error']);
  expect(outliers.arrange(['b', 'a'], 5_000)).toEqual(['a', 'b']);
});

test.each([1, 2, 10, 100, 1_000])(
  'a dead target fails often enough for the controller to decide within ten seconds, at %i requests a second',
  rate => {
    const { routes } = parseOptions({
      routes: { mail: { targets: targetsAt('http://127.0.0.1:1', 'http://127.0.0.1:2') } },
      stateFile: 'routes.json',
      telemetry: {} as RelayOptions['telemetry'], // nothing is counted here
    });
    const outliers = createOutliers(targets, routes.get('mail')!.outliers!, seededRandom(5));
    let failures = 0;
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 1_000 / rate) {
      if (outliers.arrange(targets, nowMs)[0] !== 'a') continue;
      failures += 1;
      outliers.begin('a', nowMs)('refused', nowMs);
    }
    // The controller's rule for an outage wants ten.
    expect(failures).toBeGreaterThanOrEqual(10);
    // And most callers are spared.
    expect(failures).toBeLessThan(75);
  },
);

test('pauses differ by chance, between half and all', () => {
  const pauses = [0, 0.25, 0.999].map(chance => {
    const outliers = createOutliers(targets, limits, () => chance);
    const turn = attempts(outliers, 'a', 0, ['error', 'error', 'error']).at(-1);
    return turn?.kind === 'avoided' ? turn.forMs : 0;
  });
  expect(pauses).toEqual([50, 62.5, expect.closeTo(99.95)]);
});

function avoidedA() {
  const outliers = createOutliers(targets, limits, longest);
  attempts(outliers, 'a', 0, ['error', 'error', 'error']);
  return outliers;
}

function attempts(
  outliers: ReturnType<typeof createOutliers<string>>,
  target: string,
  nowMs: number,
  outcomes: readonly AttemptOutcome[],
) {
  return outcomes.map(outcome => outliers.begin(target, nowMs)(outcome, nowMs));
}
