import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadPolicy } from './policy.ts';

const probe = { name: 'a known spam', path: '/classify' };

/** One good policy; each row of the tables changes one thing. */
const good = {
  models: { nb: { endpoint: 'http://h:1', probes: [probe] }, lr: {} },
  routes: { mail: { targets: ['nb', 'lr'], failback: { steps: [5, 25, 100], backoff_minutes: 15 } } },
};

const problemsOf = (policy: object) => {
  const loaded = loadPolicy(stringify(policy));
  return loaded.kind === 'ok' ? [] : loaded.problems;
};
const thresholds = (model_performance: object) => ({ ...good, model_performance });
const models = (more: object) => ({ ...good, models: { ...good.models, ...more } });
const failback = (written: object) => ({ ...good, routes: { mail: { targets: ['nb'], failback: written } } });

test('the good policy is good', () => {
  expect(problemsOf(good)).toEqual([]);
});

test.each([
  [
    'accuracy: warning equal to critical',
    thresholds({ accuracy: { warning_threshold: 0.8, critical_threshold: 0.8 } }),
  ],
  ['latency: an edge of the histogram', thresholds({ latency: { critical_threshold_ms: 10_240 } })],
  [
    'latency: an edge that the servers were given',
    { ...thresholds({ latency: { critical_threshold_ms: 4321 } }), latency_edges_ms: [4321] },
  ],
  ['a model with a looser threshold', models({ slow: { latency: { critical_threshold_ms: 20_480 } } })],
  ['a profile whose edges have the default thresholds', models({ m: { profile: 'vllm' } })],
  ['a profile without latency', models({ m: { profile: 'triton' } })],
  ['several profiles with one edge', models({ m: { profile: ['vllm', 'litellm'] } })],
  [
    'a threshold that is the first digits of an edge',
    models({ m: { profile: 'tgi', latency: { warning_threshold_ms: 2525, critical_threshold_ms: 5681 } } }),
  ],
  [
    'an edge that the server was started with',
    { ...models({ m: { profile: 'sglang' } }), latency_edges_ms: [5000] },
  ],
  ['two versions of one name', models({ v1: { name: 'm', version: '1' }, v2: { name: 'm', version: '2' } })],
])('accepts %s', (_, policy) => {
  expect(problemsOf(policy)).toEqual([]);
});

test.each([
  [
    thresholds({ success_rate: { warning_threshold: 0.8 } }),
    'model_performance.success_rate',
    'the warning (0.8) comes after the critical (0.9)',
  ],
  [
    thresholds({ accuracy: { critical_threshold: 0 } }),
    'model_performance.accuracy.critical_threshold',
    '0 leaves nothing to tell apart',
  ],
  [
    thresholds({ success_rate: { warning_threshold: 1 } }),
    'model_performance.success_rate.warning_threshold',
    '1 leaves nothing to tell apart',
  ],
  [
    thresholds({ latency: { warning_threshold_ms: 10_240 } }),
    'model_performance.latency',
    'the warning (10240 ms) comes after the critical (5000 ms)',
  ],
  [
    thresholds({ latency: { slow_fraction: 1 } }),
    'model_performance.latency.slow_fraction',
    '1 leaves nothing to tell apart',
  ],
  [
    thresholds({ latency: { warning_threshold_ms: 3000 } }),
    'model_performance.latency.warning_threshold_ms',
    'no histogram edge stands at 3000 ms',
  ],
  [
    models({ m: { latency: { critical_threshold_ms: 7000 } } }),
    'models.m.latency.critical_threshold_ms',
    'no histogram edge stands at 7000 ms',
  ],
  [
    models({ m: { accuracy: { critical_threshold: 0.9 } } }),
    'models.m.accuracy',
    'the warning (0.85) comes after the critical (0.9)',
  ],
  [models({ m: { profile: 'neuroweave' } }), 'models.m.profile', 'there is no profile "neuroweave"'],
  [models({ m: { profile: 'relaykit' } }), 'models.m.profile', 'there is no profile "relaykit"'],
  [models({ m: { profile: ['vllm', 'vlm'] } }), 'models.m.profile.1', 'there is no profile "vlm"'],
  [
    models({ m: { profile: 'sglang' } }),
    'models.m.latency.critical_threshold_ms',
    'no histogram edge of sglang stands at 5000 ms',
  ],
  [
    models({ m: { profile: ['vllm', 'knative'] } }),
    'models.m.latency.warning_threshold_ms',
    'no histogram edge of vllm and knative stands at 2000 ms',
  ],
  [
    models({ m: { profile: 'vllm', latency: { warning_threshold_ms: 3000 } } }),
    'models.m.latency.warning_threshold_ms',
    'no histogram edge of vllm stands at 3000 ms',
  ],
  [models({ m: { profile: 'toString' } }), 'models.m.profile', 'there is no profile "toString"'],
  [models({ m: { name: 'nb' } }), 'models.m', 'matches the same series as models.nb'],
  [models({ m: { name: 'lr', version: '2' } }), 'models.m', 'matches the same series as models.lr'],
  [{ ...good, routes: { mail: { targets: ['nb', 'l'] } } }, 'routes.mail.targets.1', 'there is no model "l"'],
  [
    { ...good, routes: { mail: { targets: ['constructor'] } } },
    'routes.mail.targets.0',
    'there is no model "constructor"',
  ],
  [{ ...good, routes: { mail: { targets: ['nb', 'nb'] } } }, 'routes.mail.targets.1', '"nb" stands twice'],
  [failback({ steps: [5, 50] }), 'routes.mail.failback.steps', '[5,50] does not rise to 100'],
  [failback({ steps: [50, 25, 100] }), 'routes.mail.failback.steps', '[50,25,100] does not rise to 100'],
  [
    failback({ backoff_minutes: 500 }),
    'routes.mail.failback.backoff_cap_minutes',
    'the cap (240) is below the first wait (500)',
  ],
  [
    { ...good, detection: { agreement_seconds: { severe: 90 } } },
    'detection.agreement_seconds',
    'severe degradation (90 s) would be believed later than mild (60 s)',
  ],
])('refuses one thing changed: %#', (policy, path, message) => {
  const found = problemsOf(policy);
  expect(found.map(problem => problem.path)).toEqual([path]);
  expect(found[0]!.message).toContain(message);
  expect(found[0]!.remedy.length).toBeGreaterThan(10);
});

test('a threshold between two edges of a server is told the one above, which takes nothing for slow that is not', () => {
  const [problem] = problemsOf(models({ m: { profile: 'sglang' } }));
  expect(problem!.remedy).toMatch(/^give 6000, the next edge above, or use one of: 100, 200, .*, 2400000; /);
});

test('a wrong default is reported once, not for every model', () => {
  expect(problemsOf(thresholds({ latency: { critical_threshold_ms: 4321 } }))).toHaveLength(1);
});
