import { expect, test } from 'vitest';
import { policyOf } from '../../../test/support/scripted-reader.ts';
import { copiesOf } from './copies.ts';
import { modelIds } from './readings.ts';

const idOf = modelIds(policyOf("models: { spam-v2: { name: spam, version: '2' } }"));
const attempts = (shadow: string, delta: number, version = '2') => ({
  labels: {
    __name__: 'relaycore_gateway_attempts_total',
    gen_ai_request_model: 'spam',
    ml_model_version: version,
    outcome: 'ok',
    shadow,
  },
  delta,
});

test('copies are those that the gateway marks, of models that the policy knows', () => {
  const grown = [attempts('true', 3), attempts('true', 4), attempts('false', 90), attempts('true', 5, '9')];
  expect(copiesOf(grown, idOf)).toEqual(new Map([['spam-v2', 7]]));
});
