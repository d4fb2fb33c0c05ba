import { expect, test } from 'vitest';
import { findServed } from './paths.ts';
import { readVariables } from './variables.ts';

const read = (environment: NodeJS.ProcessEnv) => readVariables(environment, 'service');

test('nothing is counted of HTTP until a model is named', () => {
  expect(read({})).toMatchObject({
    requests: [],
    models: { name: undefined, version: 'unversioned' },
    problems: [],
  });
  expect(read({}).libraries).toEqual(['openai', 'onnxruntime-node', '@huggingface/transformers']);
});

test('a model alone gets all that is posted, with defaults for the rest', () => {
  const { requests, models, problems } = read({ NEUROWEAVER_MODEL: 'spam-v1' });
  const model = { name: 'spam-v1', version: 'unversioned', operation: 'inference', provider: 'service' };
  expect(requests).toEqual([{ path: '/*', model }]);
  expect(models.countedElsewhere).toEqual(['spam-v1']);
  expect(problems).toEqual([]);
});

test('each path may have a model of its own', () => {
  const { requests } = read({
    NEUROWEAVER_MODEL: 'spam-v1',
    NEUROWEAVER_MODEL_VERSION: '3',
    NEUROWEAVER_OPERATION: 'classify',
    NEUROWEAVER_PROVIDER: 'example',
    NEUROWEAVER_PATHS: '/spam, GET /toxic/*=org/toxic@2',
  });
  const common = { operation: 'classify', provider: 'example' };
  expect(requests).toEqual([
    { path: '/spam', model: { name: 'spam-v1', version: '3', ...common } },
    { path: 'GET /toxic/*', model: { name: 'org/toxic', version: '2', ...common } },
  ]);
});

test('none is nothing', () => {
  const nothing = { NEUROWEAVER_MODEL: 'm', NEUROWEAVER_PATHS: 'none', NEUROWEAVER_LIBRARIES: 'none' };
  expect(read(nothing)).toMatchObject({ requests: [], libraries: [], problems: [] });
});

test.each([
  {
    variables: { NEUROWEAVER_PATHS: '/v1/*' },
    says: /has \/v1\/\* without a model: set NEUROWEAVER_MODEL, or/,
  },
  { variables: { NEUROWEAVER_PATHS: 'v1=m' }, says: /"v1" is no path: write \/v1\/\*/ },
  { variables: { NEUROWEAVER_PATHS: '/v1=m=2' }, says: /\/v1=m=2 has a second =/ },
  { variables: { NEUROWEAVER_PATHS: '/v1=@2' }, says: /without a model/ },
  {
    variables: { NEUROWEAVER_LIBRARIES: 'openai,tensorflow' },
    says: /has "tensorflow": write any of openai,/,
  },
])('$variables is a problem that says what to write', ({ variables, says }) => {
  const { problems } = read(variables);
  expect(problems).toEqual([expect.stringMatching(says)]);
});

const model = { name: 'm', version: '1', operation: 'inference', provider: 'p' };

test.each([
  { path: '/v1/*', request: 'POST /v1/chat?stream=1', isServed: true },
  { path: '/v1/*', request: 'GET /v1/chat', isServed: false },
  { path: '/v1/*', request: 'POST /v2/chat', isServed: false },
  { path: 'GET /v1/*', request: 'GET /v1/chat', isServed: true },
  { path: '/a.b', request: 'POST /aXb', isServed: false },
  { path: '/*/predict', request: 'POST /models/1/predict', isServed: true },
])('$request of $path: $isServed', ({ path, request, isServed }) => {
  const [method, url] = request.split(' ');
  expect(findServed([{ path, model }])(method, url)).toBe(isServed ? model : undefined);
});

test('paths that are none are refused, all at once', () => {
  const served = ['v1', 'get /v1'].map(path => ({ path, model }));
  expect(() => findServed(served)).toThrow(/"v1" is no path.*\n- "get \/v1" is no path/);
});
