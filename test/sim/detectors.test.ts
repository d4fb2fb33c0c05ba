import { expect, test } from 'vitest';
import type { Reading, SignalReadings } from '../../controller/src/types.ts';
import { type DetectorName, windowed } from './detectors.ts';
import { exampleStage } from './example.ts';

const { policy, signals } = await exampleStage();
const absent: Reading = { kind: 'absent', reason: 'not in this test' };

function reading(requests: number, failed: number): SignalReadings {
  const counts = [
    { badness: 0, count: requests - failed },
    { badness: 1, count: failed },
  ];
  const success: Reading = {
    kind: 'counts',
    vantage: 'server',
    levels: { warning: counts, critical: counts },
  };
  return { success, latency: absent, accuracy: absent, feedback: absent };
}

/** The ticks (from 1) at which it fired, for one reading a tick of 5 s. */
function firings(name: Exclude<DetectorName, 'ours'>, readings: readonly SignalReadings[]): number[] {
  const detector = windowed(name, { policy, signals, model: 'primary' });
  return readings.flatMap((reading, i) => (detector.tick(reading).fired.critical ? [i + 1] : []));
}

const times = (count: number, one: SignalReadings) => Array.from({ length: count }, () => one);

test('naive fires when the mean of ten minutes is beyond the threshold and 50 requests are there', () => {
  expect(firings('naive', times(20, reading(10, 1)))).toEqual([5]);
  expect(firings('naive', times(20, reading(20, 1)))).toEqual([]);
  expect(firings('naive', [...times(120, reading(20, 0)), ...times(120, reading(20, 2))])).toEqual([181]);
});

test('naive fires again after it had stopped', () => {
  const swing = [...times(120, reading(20, 2)), ...times(120, reading(20, 0)), ...times(120, reading(20, 2))];
  expect(firings('naive', swing)).toHaveLength(2);
});

test('naive-for-5m wants it for more than five minutes', () => {
  expect(firings('naive-for-5m', times(100, reading(10, 1)))).toEqual([65]);
  expect(firings('naive-for-5m', [...times(30, reading(10, 1)), ...times(200, reading(10, 0))])).toEqual([]);
});

test('a Wilson bound wants more the wider it is', () => {
  const [three] = firings('wilson-3', times(120, reading(10, 1)));
  const [five] = firings('wilson-5', times(120, reading(10, 1)));
  // n for which the lower end of 0.1 ± z is 0.05: about z²·0.1·0.9/0.05² at large n.
  expect(three! * 10).toBeGreaterThan(150);
  expect(five! / three!).toBeGreaterThan(2);
  expect(five! / three!).toBeLessThan(3.5);
});
