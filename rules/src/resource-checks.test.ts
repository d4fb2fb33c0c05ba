import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadPolicy } from './policy.ts';

const memory = (changed: object) => ({
  resources: { memory: { value: 'process_memory_usage', warning_threshold: 8e9, ...changed } },
});

const load = (policy: object) => loadPolicy(stringify(policy));

const resourcesOf = (policy: object) => {
  const loaded = load(policy);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return loaded.policy.resources;
};

test('a resource warns, and is over below nine tenths of its threshold', () => {
  expect(resourcesOf(memory({}))).toEqual([
    {
      name: 'memory',
      value: 'process_memory_usage',
      labels: {},
      levels: { warning: { level: 'warning', threshold: 8e9, clearBelow: 7.2e9 } },
      forMs: 60_000,
    },
  ]);
});

test('with a critical threshold it may move traffic; one end holds for both levels', () => {
  const changed = { critical_threshold: 12e9, clear_below: 7e9, for_seconds: 120, model_label: 'app' };
  expect(resourcesOf(memory(changed))).toMatchObject([
    {
      labels: { model: 'app' },
      levels: {
        warning: { threshold: 8e9, clearBelow: 7e9 },
        critical: { level: 'critical', threshold: 12e9, clearBelow: 7e9 },
      },
      forMs: 120_000,
    },
  ]);
});

test('without any the default ones warn; those written stand in their place', () => {
  const byDefault = resourcesOf({});
  expect(byDefault.map(({ name, levels }) => [name, levels.warning.threshold, levels.critical])).toEqual([
    ['gpu_memory', 0.95, undefined],
    ['event_loop', 0.95, undefined],
  ]);
  expect(resourcesOf(memory({})).map(({ name }) => name)).toEqual(['memory']);
  expect(resourcesOf({ resources: {} })).toEqual([]);
});

test.each([
  [
    memory({ critical_threshold: 7e9 }),
    'resources.memory',
    'the warning (8000000000) comes after the critical (7000000000)',
  ],
  [
    memory({ clear_below: 8e9 }),
    'resources.memory.clear_below',
    '8000000000 is not below the warning (8000000000)',
  ],
  [
    memory({ warning_threshold: undefined }),
    'resources.memory.warning_threshold',
    'is missing (number expected)',
  ],
  [memory({ for_seconds: 0 }), 'resources.memory.for_seconds', 'is too small: must be >0'],
  [memory({ value: 'a +' }), 'resources.memory.value', 'is not PromQL: at character 4, near "a +"'],
  [memory({ value: 'a[5m]' }), 'resources.memory.value', '"a[5m]" is not one number a series'],
  [memory({ value: '17' }), 'resources.memory.value', '"17" is not one number a series'],
  [
    memory({ value: 'a # b' }),
    'resources.memory.value',
    'holds a comment, which would swallow what the rules put behind it',
  ],
  [
    { resources: { latency: { value: 'a', warning_threshold: 1 } } },
    'resources.latency',
    '"latency" is taken',
  ],
  [
    { ...memory({}), signals: { memory: { scores: 'x', critical_threshold: 0.5 } } },
    'resources.memory',
    'signals.memory has that name too',
  ],
])('refuses %j', (policy, path, message) => {
  const loaded = load(policy);
  const problems = loaded.kind === 'refused' ? loaded.problems : [];
  expect(problems.map(problem => ({ path: problem.path, message: problem.message }))).toEqual([
    { path, message },
  ]);
});
