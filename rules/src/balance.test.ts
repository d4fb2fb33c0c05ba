import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { balanceQueries } from './balance.ts';
import { loadPolicy } from './policy.ts';
import { syntaxError } from './promql.ts';

const load = (balance: object | undefined, more: object = {}, targets = ['a', 'b', 'c']) =>
  loadPolicy(
    stringify({
      models: { a: {}, b: {}, c: {}, d: {} },
      routes: { mail: { targets, ...(balance && { balance }) } },
      ...more,
    }),
  );

function accepted(...given: Parameters<typeof load>) {
  const loaded = load(...given);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return loaded.policy;
}

function problemsOf(...given: Parameters<typeof load>) {
  const loaded = load(...given);
  return loaded.kind === 'refused' ? loaded.problems : [];
}

test('a route is not balanced unless the policy says so', () => {
  expect(accepted(undefined).routes.mail).not.toHaveProperty('balance');
  expect(balanceQueries(accepted(undefined))).toEqual([]);
});

test('all targets take part, a step in each evaluation window', () => {
  const alert_settings = { evaluation_window_minutes: 20, min_requests_for_evaluation: 30 };
  expect(accepted({}, { alert_settings }).routes.mail!.balance).toEqual({
    by: ['latency', 'quality'],
    targets: ['a', 'b', 'c'],
    minimumPercent: 5,
    maximumPercent: 90,
    stepPercent: 10,
    everyMs: 20 * 60_000,
    minRequests: 30,
  });
});

test('some take part, in the order of the route, within bounds of their own', () => {
  const written = {
    by: ['quality'],
    targets: ['c', 'a'],
    minimum_percent: 1,
    maximum_percent: 60,
    step_percent: 2.5,
    every_minutes: 30,
  };
  expect(accepted(written).routes.mail!.balance).toMatchObject({
    by: ['quality'],
    targets: ['a', 'c'],
    minimumPercent: 1,
    maximumPercent: 60,
    stepPercent: 2.5,
    everyMs: 30 * 60_000,
  });
});

test.each([
  [
    'a target of no route',
    { targets: ['a', 'bb'] },
    'targets.1',
    '"bb" is no target of the route',
    'did you mean "b"?',
  ],
  ['a target twice', { targets: ['a', 'a'] }, 'targets.1', '"a" stands twice', 'remove the second one'],
  [
    'all but the primary',
    { targets: ['b', 'c'] },
    'targets',
    'the primary "a" does not take part',
    "add it, or put one that takes part first under the route's targets",
  ],
  [
    'more than there is',
    { minimum_percent: 34 },
    'minimum_percent',
    '3 targets with at least 34 % each are more than 100 %',
    'give at most 33',
  ],
  [
    'less than there is',
    { maximum_percent: 33 },
    'maximum_percent',
    '3 targets with at most 33 % each are less than 100 %',
    'give at least 34',
  ],
  [
    'steps that are not measured yet',
    { every_minutes: 5 },
    'every_minutes',
    '5 is shorter than the evaluation window (10), so a step would be judged by requests from before it',
    'give at least 10, or a shorter alert_settings.evaluation_window_minutes',
  ],
])('%s is refused', (_what, balance, key, message, remedy) => {
  expect(problemsOf(balance)).toEqual([{ path: `routes.mail.balance.${key}`, message, remedy }]);
});

test('nobody to share with is refused', () => {
  expect(problemsOf({}, {}, ['a'])).toMatchObject([
    { path: 'routes.mail.balance', message: 'the route has one target only' },
  ]);
});

test('mean latency is one query for all models, however many there are', () => {
  const policy = accepted({});
  const [query, ...more] = balanceQueries(policy);
  expect(more).toEqual([]);
  expect(query!.name).toBe('latency.mean');
  expect(syntaxError(query!.promql)).toBeUndefined();
  expect(query!.promql).toContain('increase(gen_ai_server_request_duration_seconds_sum[10m])');
  expect(query!.promql).not.toContain('mail');
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`m${i}`, {}]));
  expect(balanceQueries(accepted({}, { models: { a: {}, b: {}, c: {}, ...many } }))).toEqual([query]);
});

test('who is balanced by quality alone needs no latency', () => {
  expect(balanceQueries(accepted({ by: ['quality'] }))).toEqual([]);
});
