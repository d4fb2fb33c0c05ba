import { expect, test } from 'vitest';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import { gaugeReadings } from './gauges.ts';
import type { CounterSample } from './increments.ts';
import { modelIds } from './readings.ts';

const policy = policyOf(`
models: { chat: {}, old: { name: mail, version: '1' }, new: { name: mail, version: '2' } }
resources:
  memory: { value: process_memory_usage, warning_threshold: 100 }
  heat: { value: hw_temperature, warning_threshold: 90, model_label: app }
`);

const at = (instance: string, job = 'models') => ({ job, instance });
const serves = (model: string, version: string, labels: object): CounterSample => ({
  labels: {
    __name__: 'ml_server_requests_total',
    gen_ai_request_model: model,
    ml_model_version: version,
    outcome: 'ok',
    ...labels,
  },
  value: 1,
});

/** chat runs at a:1 and b:1, both versions of mail at c:1; a gateway at g:1 counts attempts at chat. */
const counters = [
  serves('chat', '7', at('a:1')),
  serves('chat', '7', at('b:1')),
  serves('mail', '1', at('c:1')),
  serves('mail', '2', at('c:1')),
  {
    ...serves('chat', '7', at('g:1', 'gateways')),
    labels: {
      __name__: 'relaycore_gateway_attempts_total',
      gen_ai_request_model: 'chat',
      outcome: 'ok',
      ...at('g:1', 'gateways'),
    },
  },
];
const fresh = new Set(['models a:1', 'models b:1', 'models c:1', 'gateways g:1']);

function read(...values: readonly (readonly [Record<string, string>, number])[]) {
  const samples = values.map(([labels, value]) => ({ labels, value }));
  return Object.fromEntries(
    [
      ...gaugeReadings(policy, { values: new Map([['memory', samples]]), fresh, counters }, modelIds(policy)),
    ].map(([model, resources]) => [model, resources.get('memory')]),
  );
}

test('a value of an instance is that of every model that runs there', () => {
  expect(read([at('c:1'), 70])).toEqual({
    old: { value: 70, instance: 'c:1' },
    new: { value: 70, instance: 'c:1' },
  });
});

test('the worst instance counts', () => {
  expect(read([at('a:1'), 40], [at('b:1'), 60], [{ ...at('a:1'), device: '1' }, 55])).toEqual({
    chat: { value: 60, instance: 'b:1' },
  });
});

test.each<[string, Record<string, string>]>([
  ['its instance', { instance: 'a:1' }],
  ['its job', { job: 'models' }],
])('a value that has lost all labels but %s still finds its models', (_, labels) => {
  expect(Object.keys(read([labels, 40]))).toContain('chat');
});

test('a value that names its model is that model’s, wherever it was taken', () => {
  expect(
    read([{ model: 'chat' }, 40], [{ gen_ai_request_model: 'mail', ml_model_version: '2' }, 50]),
  ).toEqual({
    chat: { value: 40 },
    new: { value: 50 },
  });
});

test.each<[string, Record<string, string>, number]>([
  ['of the gateway’s own process', at('g:1', 'gateways'), 40],
  ['of an instance that serves nothing known', at('z:1'), 40],
  ['of a target that was not scraped lately', { ...at('y:1'), model: 'chat' }, 40],
  ['of a version that the policy does not know', { model: 'mail', ml_model_version: '9' }, 40],
  ['that belongs to nothing', {}, 40],
  ['that is no number', at('a:1'), Number.NaN],
  ['beyond all bounds, as of a division by zero', at('a:1'), Number.POSITIVE_INFINITY],
])('a value %s is nobody’s', (_, labels, value) => {
  expect(read([labels, value])).toEqual({});
});

test('the policy names the label of the model', () => {
  const values = new Map([['heat', [{ labels: { app: 'chat', model: 'mail' }, value: 95 }]]]);
  const readings = gaugeReadings(policy, { values, fresh, counters }, modelIds(policy));
  expect([...readings]).toEqual([['chat', new Map([['heat', { value: 95 }]])]]);
});
