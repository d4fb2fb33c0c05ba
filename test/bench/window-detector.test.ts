import { expect, test } from 'vitest';
import type { Observation, Reading, SignalReadings } from '../../controller/src/types.ts';
import { policyOf } from '../support/scripted-reader.ts';
import { windowDetector } from './window-detector.ts';

const minuteMs = 60_000;
const policy = policyOf('models: { chat: {} }');

test('the mean of ten minutes, from 50 requests on', () => {
  const tick = windowDetector(policy);
  const verdict = (minute: number, good: number, bad: number) =>
    tick(new Map([['chat', readings(good, bad)]]), minute * minuteMs).get('chat');
  expect(verdict(0, 0, 49)).toBe('healthy');
  expect(verdict(0.5, 0, 1)).toBe('critical');
  expect(verdict(1, 633, 0)).toBe('warning');
  expect(verdict(9, 0, 0)).toBe('warning');
  expect(verdict(10, 0, 0)).toBe('healthy');
});

function readings(good: number, bad: number): SignalReadings {
  const observations: Observation[] = [
    { badness: 0, count: good },
    { badness: 1, count: bad },
  ];
  const absent: Reading = { kind: 'absent', reason: 'not measured' };
  return {
    success: {
      kind: 'counts',
      vantage: 'server',
      levels: { warning: observations, critical: observations },
    },
    latency: absent,
    accuracy: absent,
    feedback: absent,
  };
}
