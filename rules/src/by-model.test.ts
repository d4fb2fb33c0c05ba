import { expect, test } from 'vitest';
import { servedBy } from './by-model.ts';

const labels = {
  gen_ai_request_model: 'spam',
  model: 'deployment-7',
  ml_model_version: '2',
  tag: 'blue',
};

test.each([
  ['the label of the conventions comes first', labels, {}, { modelName: 'spam', version: '2' }],
  ['else the plain one', { model: 'spam' }, {}, { modelName: 'spam' }],
  ['an empty label is none', { gen_ai_request_model: '', model: 'spam' }, {}, { modelName: 'spam' }],
  ['the policy may name another', labels, { model: 'model' }, { modelName: 'deployment-7', version: '2' }],
  ['and one for the version', labels, { version: 'tag' }, { modelName: 'spam', version: 'blue' }],
  ['which is then the only one', { model: 'spam' }, { model: 'deployment' }, undefined],
  ['a series without any is about no model', { job: 'api' }, {}, undefined],
])('%s', (_, series, names, served) => {
  expect(servedBy(series, names)).toEqual(served);
});
