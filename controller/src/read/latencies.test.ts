import { expect, test } from 'vitest';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import { meanLatencies } from './latencies.ts';
import { modelIds } from './readings.ts';

const idOf = modelIds(policyOf('models: { a: {}, b: {} }'));
const sample = (model: string, value: number) => ({ labels: { model }, value });

test('a model without requests has no mean latency', () => {
  const gauges = new Map([['latency.mean', [sample('a', 0.25), sample('b', Number.NaN)]]]);
  expect(meanLatencies({ gauges, failures: new Map() }, idOf)).toEqual({ seconds: new Map([['a', 0.25]]) });
});

test('what could not be asked for is said', () => {
  const failures = new Map([['latency.mean', 'latency.mean could not be read: timeout']]);
  expect(meanLatencies({ gauges: new Map([['latency.mean', []]]), failures }, idOf)).toEqual({
    seconds: new Map(),
    problem: 'latency.mean could not be read: timeout',
  });
});

test('who balances no route asks for none', () => {
  expect(meanLatencies({ gauges: new Map(), failures: new Map() }, idOf)).toBeUndefined();
});
