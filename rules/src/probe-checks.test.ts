import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadPolicy } from './policy.ts';

const environment = { MODEL_KEY: 'sk-very-secret', LINE_END: 'sk-very-secret\n' };
const spam = { name: 'a known spam', method: 'POST', path: '/classify', body: { text: 'buy now' } };

const policyWith = (probe: object, probing?: object, model: object = {}) => ({
  models: {
    nb: { endpoint: 'http://h:1', probes: [{ ...spam, ...probe }], ...(probing && { probing }), ...model },
  },
});
const expecting = (expected: object, probing?: object) => policyWith({ expect: expected }, probing);
const load = (policy: object) => loadPolicy(stringify(policy), environment);
const problemsOf = (policy: object) => {
  const loaded = load(policy);
  return loaded.kind === 'ok' ? [] : loaded.problems;
};
const at = (rest: string) => `models.nb.probes.0.${rest}`;

test.each<[string, object]>([
  ['nothing but a path', { models: { nb: { endpoint: 'http://h:1', probes: [{ name: 'p', path: '/' }] } } }],
  ['several statuses', expecting({ status: [200, 206] })],
  [
    'several places',
    expecting({
      json: [
        { pointer: '/a', equals: null },
        { pointer: '/b', at_least: 0 },
      ],
    }),
  ],
  [
    'two expectations of one place',
    expecting({
      json: [
        { pointer: '/a', matches: '^a' },
        { pointer: '/a', matches: 'z$' },
      ],
    }),
  ],
  ['a text', policyWith({ body: 'buy now', expect: { matches: 'spam' } })],
  ['a secret by reference', policyWith({ headers: { authorization: 'Bearer ${MODEL_KEY}' } })],
  ['a header that is no secret', policyWith({ headers: { accept: 'application/json' } })],
  ['a label', expecting({ label: { pointer: '/label', equals: 'spam' } })],
  ['a score with its minimum', expecting({ score: { pointer: '/p', at_least: 0.8 } })],
  ['a score and the mean of all', expecting({ score: { pointer: '/p' } }, { score_at_least: 0.8 })],
  ['a schedule within its limit', policyWith({}, { every_seconds: 30, max_per_minute: 2 })],
])('%s is accepted', (_, policy) => {
  expect(problemsOf(policy)).toEqual([]);
});

test.each<[string, object, string, RegExp, RegExp]>([
  [
    'no endpoint',
    { models: { nb: { probes: [spam] } } },
    'models.nb.probes',
    /no endpoint/,
    /add models\.nb\.endpoint/,
  ],
  [
    'a schedule without endpoint',
    { models: { nb: { probing: {} } } },
    'models.nb.probing',
    /no endpoint/,
    /add/,
  ],
  [
    'a password in the address',
    policyWith({}, undefined, { endpoint: 'http://u:p@h:1' }),
    'models.nb.endpoint',
    /user or password/,
    /headers of the probes/,
  ],
  [
    'two of one name',
    { models: { nb: { endpoint: 'http://h:1', probes: [spam, spam] } } },
    'models.nb.probes.1.name',
    /stands twice/,
    /name of its own/,
  ],
  ['a GET with a body', policyWith({ method: 'GET' }), at('body'), /no body/, /method: POST/],
  [
    'a secret in clear',
    policyWith({ headers: { 'x-api-key': 'sk-1' } }),
    at('headers.x-api-key'),
    /in clear/,
    /\$\{NAME\}/,
  ],
  [
    'a line end in a secret',
    policyWith({ headers: { 'x-api-key': '${LINE_END}' } }),
    at('headers.x-api-key'),
    /no header can have/,
    /line end/,
  ],
  [
    'a header that is ours',
    policyWith({ headers: { Connection: 'keep-alive' } }),
    at('headers.Connection'),
    /sent by the controller/,
    /leave it out/,
  ],
  [
    'an expression that is none',
    expecting({ matches: '(' }),
    at('expect.matches'),
    /no regular expression: missing closing \)/,
    /RE2/,
  ],
  [
    'a lookahead',
    expecting({ json: { pointer: '', matches: '(?=a)' } }),
    at('expect.json.matches'),
    /unsupported Perl syntax/,
    /no lookaround/,
  ],
  [
    'a backreference, in a list',
    expecting({ json: [{ pointer: '', matches: '(a)\\1' }] }),
    at('expect.json.0.matches'),
    /invalid escape/,
    /backreferences/,
  ],
  [
    'nothing expected there',
    expecting({ json: { pointer: '/a' } }),
    at('expect.json'),
    /nothing of what is expected/,
    /equals, matches, or a range/,
  ],
  [
    'two things expected there',
    expecting({ json: { pointer: '/a', equals: 1, at_least: 0 } }),
    at('expect.json'),
    /more than one thing/,
    /a list/,
  ],
  [
    'an empty range',
    expecting({ json: { pointer: '/a', at_least: 2, at_most: 1 } }),
    at('expect.json'),
    /at least 2 and at most 1/,
    /lower number/,
  ],
  [
    'no pointer',
    expecting({ json: { pointer: 'spam', equals: 1 } }),
    at('expect.json.pointer'),
    /expected form/,
    /JSON pointer/,
  ],
  [
    'a label and a score',
    expecting({ label: { pointer: '/l', equals: 1 }, score: { pointer: '/p', at_least: 0.5 } }),
    at('expect'),
    /a label and a score/,
    /one of them/,
  ],
  [
    'a score without a minimum',
    expecting({ score: { pointer: '/p' } }),
    at('expect.score'),
    /has to reach/,
    /probing\.score_at_least/,
  ],
  [
    'a minimum without a score',
    policyWith({}, { score_at_least: 0.9 }),
    'models.nb.probing.score_at_least',
    /no golden request/,
    /expect\.label or expect\.score/,
  ],
  [
    'a latency beyond the deadline',
    expecting({ max_latency_ms: 5000 }),
    at('expect.max_latency_ms'),
    /given up after 5000 ms/,
    /timeout_seconds/,
  ],
  [
    'a schedule beyond its limit',
    policyWith({}, { max_per_minute: 5 }),
    'models.nb.probing.max_per_minute',
    /1 requests every 10 s are 6 a minute, and only 5/,
    /every_seconds of at least 12/,
  ],
  ['an unknown key', policyWith({ timeout: 5 }), at('timeout'), /not a key/, /remove it/],
])('%s is refused, with path and remedy', (_, policy, path, message, remedy) => {
  expect(problemsOf(policy)).toEqual([
    { path, message: expect.stringMatching(message), remedy: expect.stringMatching(remedy) },
  ]);
});

describe('what a policy becomes', () => {
  test('every form of expectation, and the secrets that the request carries', () => {
    const loaded = load(
      policyWith(
        {
          headers: { authorization: 'Bearer ${MODEL_KEY}' },
          expect: {
            status: [200, 206],
            json: [
              { pointer: '/a', matches: 'x' },
              { pointer: '/b', at_most: 3 },
            ],
            label: { pointer: '/l', equals: 'spam' },
            max_latency_ms: 800,
          },
        },
        { every_seconds: 60, timeout_seconds: 20, max_per_minute: 4 },
      ),
    );
    if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
    const { probes, probing } = loaded.policy.models.nb!;
    expect(probes).toEqual([
      {
        ...spam,
        headers: { authorization: 'Bearer sk-very-secret' },
        expect: {
          statuses: [200, 206],
          json: [
            { kind: 'matches', pointer: '/a', expression: 'x' },
            { kind: 'range', pointer: '/b', atLeast: Number.NEGATIVE_INFINITY, atMost: 3 },
          ],
          label: { pointer: '/l', equals: 'spam' },
          maxLatencyMs: 800,
        },
        secrets: ['sk-very-secret'],
      },
    ]);
    // Every label has to be right unless the policy says otherwise.
    expect(probing).toEqual({ everyMs: 60_000, timeoutMs: 20_000, maxPerMinute: 4, scoreAtLeast: 1 });
  });

  test('a refused policy does not say the secret either', () => {
    const problems = problemsOf(policyWith({ headers: { 'x-api-key': '${LINE_END}' }, method: 'DELETE' }));
    expect(problems.length).toBeGreaterThan(0);
    expect(JSON.stringify(problems)).not.toContain('sk-very-secret');
  });
});
