import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type LoadedPolicy, loadPolicy, type Policy } from './policy.ts';
import { formatProblems, type Problem } from './problems.ts';

/** The thresholds as the specification gives them, to the letter. */
const specification = `# performance_thresholds.yml
model_performance:
  accuracy:
    warning_threshold: 0.85
    critical_threshold: 0.75
  latency:
    warning_threshold_ms: 2000
    critical_threshold_ms: 5000
  success_rate:
    warning_threshold: 0.95
    critical_threshold: 0.90
  
alert_settings:
  evaluation_window_minutes: 10
  min_requests_for_evaluation: 50
  alert_cooldown_minutes: 15
`;

function accepted(text: string, environment: Record<string, string> = {}): Policy {
  const loaded = loadPolicy(text, environment);
  if (loaded.kind === 'refused') throw new Error(formatProblems(loaded.problems));
  return loaded.policy;
}

function problems(loaded: LoadedPolicy): readonly Problem[] {
  return loaded.kind === 'refused' ? loaded.problems : [];
}

describe('accepted', () => {
  test('the specification’s own policy, unchanged', () => {
    const policy = accepted(specification);
    expect(policy.alerts).toMatchObject({ windowMinutes: 10, minRequests: 50, cooldownMinutes: 15 });
    expect(
      policy.defaults.map(({ name, levels }) => [name, levels.warning.threshold, levels.critical.threshold]),
    ).toEqual([
      ['success', 0.95, 0.9],
      ['latency', 2000, 5000],
      ['accuracy', 0.85, 0.75],
      ['feedback', 0.85, 0.75],
    ]);
  });

  test('the policy that ships, and it means what no policy at all means', () => {
    const shipped = readFileSync(new URL('../performance_thresholds.yml', import.meta.url), 'utf8');
    expect(accepted(shipped)).toEqual(accepted(''));
    expect(accepted(specification)).toEqual(accepted(''));
  });

  test('its commented example, once the comment signs are taken away', () => {
    const shipped = readFileSync(new URL('../performance_thresholds.yml', import.meta.url), 'utf8');
    const example = shipped.slice(shipped.indexOf('# models:')).replaceAll(/^# ?/gm, '');
    const policy = accepted(example, { GATEWAY_TOKEN: 'secret' });
    const failback = {
      canaryPercent: 5,
      canaryMs: 1_800_000,
      steps: [25, 100],
      stepMs: 300_000,
      backoffMs: 900_000,
      backoffCapMs: 14_400_000,
    };
    expect(policy.routes['mail-filter']).toEqual({
      name: 'mail-filter',
      targets: ['spam-nb', 'spam-lr'],
      capacities: { 'spam-lr': 50 },
      driver: {
        kind: 'relaycore',
        url: 'http://127.0.0.1:8000',
        token: 'secret',
      },
      mode: 'auto',
      changedByHand: 'restore',
      failback: {
        ...failback,
        causes: {
          quota: { ...failback, backoffMs: 120_000, canaryMs: 300_000 },
          errors: failback,
          latency: failback,
          quality: failback,
          resource: failback,
        },
      },
      approval: { expiresMs: 1_800_000, rejectedMs: 3_600_000 },
    });
  });

  test('defaults, in the units of the names', () => {
    const { detection, switching, probes } = accepted('');
    expect(detection).toMatchObject({
      tickMs: 5000,
      maxGapMs: 120_000,
      yearsPerFalseAlarm: { warning: 1, critical: 1000 },
      agreementMs: { mild: 60_000, severe: 15_000 },
      hardDown: { failures: 10, forMs: 10_000 },
    });
    expect(switching).toEqual({ maxSimultaneous: 3, maxPercent: 5, withinMs: 60_000 });
    expect(probes).toEqual({ intervalMs: 10_000, timeoutMs: 5000, freshMs: 5000 });
  });

  test('how long a person is waited for: a route’s own, key by key over all routes’', () => {
    const { routes } = accepted(`
approval: { expires_minutes: 5 }
models: { a: {}, b: {} }
routes:
  chat: { targets: [a, b], mode: approve, approval: { rejected_minutes: 0 } }
  mail: { targets: [a, b] }
`);
    expect(routes.chat!.approval).toEqual({ expiresMs: 300_000, rejectedMs: 0 });
    expect(routes.mail!.approval).toEqual({ expiresMs: 300_000, rejectedMs: 3_600_000 });
  });

  test('a model’s own thresholds, key by key over the defaults', () => {
    const { models } = accepted(`
model_performance: { success_rate: { warning_threshold: 0.99 } }
models: { spam-nb: { name: spam, version: '1', endpoint: 'http://127.0.0.1:8001/', success_rate: { critical_threshold: 0.8 } } }
`);
    expect(models['spam-nb']).toMatchObject({
      id: 'spam-nb',
      name: 'spam',
      version: '1',
      profiles: ['neuroweaver'],
      endpoint: 'http://127.0.0.1:8001',
    });
    const [success, , accuracy] = models['spam-nb']!.signals;
    expect(success!.levels.warning.threshold).toBe(0.99);
    expect(success!.levels.critical.threshold).toBe(0.8);
    expect(accuracy!.levels.critical.threshold).toBe(0.75);
  });

  test.each([
    ['2/1000 years', 500],
    ['1/year', 1],
    ['1/month', 1 / 12],
    ['0.5 / 2 years', 4],
  ])('a false alarm budget of %s is %d years each', (written, years) => {
    const { detection } = accepted(`detection: { false_alarms: { critical: '${written}' } }`);
    expect(detection.yearsPerFalseAlarm.critical).toBeCloseTo(years, 10);
  });

  test('hard_down can be turned off', () => {
    expect(accepted('detection: { hard_down: { enabled: false } }').detection).not.toHaveProperty('hardDown');
  });
});

describe('refused', () => {
  test('five mistakes of five kinds, each with its path and what to do', () => {
    const loaded = loadPolicy(`
alert_setings: { evaluation_window_minutes: 10 }
model_performance:
  accuracy: { warning_threshold: 0.7, critical_threshold: 0.75 }
  latency: { critical_threshold_ms: 4321 }
alert_settings: { min_requests_for_evaluation: many }
models: { spam-nb: {} }
routes: { mail-filter: { targets: [spam-nb, spam-nv] } }
`);
    const found = new Map(problems(loaded).map(({ path, message, remedy }) => [path, { message, remedy }]));
    expect(found).toEqual(
      new Map([
        [
          'alert_setings',
          { message: 'is not a key of the policy', remedy: 'did you mean "alert_settings"?' },
        ],
        [
          'alert_settings.min_requests_for_evaluation',
          {
            message: 'is a string, but a number is expected',
            remedy: 'requests needed before a verdict; for example 50',
          },
        ],
        [
          'model_performance.accuracy',
          {
            message: 'the warning (0.7) comes after the critical (0.75)',
            remedy: 'a warning has to be raised first: give warning_threshold the higher number',
          },
        ],
        [
          'model_performance.latency.critical_threshold_ms',
          {
            message: 'no histogram edge stands at 4321 ms',
            remedy: expect.stringContaining('NEUROWEAVER_LATENCY_THRESHOLDS=4.321'),
          },
        ],
        [
          'routes.mail-filter.targets.1',
          { message: 'there is no model "spam-nv"', remedy: 'did you mean "spam-nb"?' },
        ],
      ]),
    );
    expect(problems(loaded)).toHaveLength(5);
  });

  test.each([
    ['YAML that cannot be read', 'models:\n  a: [1,\nb: 2', 'line 3'],
    [
      'a key that stands twice',
      'alert_settings: {}\n\nalert_settings: {}',
      'line 3: Map keys must be unique',
    ],
    ['a second document', 'models: {}\n---\nmodels: {}', 'line 2: a second document begins'],
    ['an alias without anchor', 'models: *none', 'Unresolved alias'],
    ['an alias of itself', 'models: &a [*a]', 'an alias cannot be followed'],
  ])('%s, with the place', (_, text, message) => {
    const [problem, ...others] = problems(loadPolicy(text));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path: '(file)', message: expect.stringContaining(message) });
  });

  test.each([
    ['[]', '(file)', 'is a list, but a mapping is expected'],
    ['models: { a: }', 'models.a', 'is empty, but a mapping is expected'],
    ['models: { "": {} }', 'models.""', 'is not a usable name'],
    ['models: { a: { version: 1 } }', 'models.a.version', 'is a number, but a string is expected'],
    ['models: { a: { endpoint: "ftp://x" } }', 'models.a.endpoint', 'is not an http or https address'],
    ['routes: { r: { targets: [] } }', 'routes.r.targets', 'is too small: must be >=1 items'],
    ['models: { a: {} }\nroutes: { r: { targets: [a], mode: yolo } }', 'routes.r.mode', 'is none of'],
    [
      'models: { a: {} }\nroutes: { r: { targets: [a], driver: { kind: nginx } } }',
      'routes.r.driver.kind',
      'is none of the accepted forms',
    ],
    ['model_performance: { latancy: {} }', 'model_performance.latancy', 'is not a key of the policy'],
    [
      'detection: { false_alarms: { critical: never } }',
      'detection.false_alarms.critical',
      'is not written in the expected form',
    ],
    [
      'detection: { false_alarms: { critical: 0/year } }',
      'detection.false_alarms.critical',
      'is not written in the expected form',
    ],
    [
      'detection: { false_alarms: { critical: 1/0 years } }',
      'detection.false_alarms.critical',
      'is not written in the expected form',
    ],
  ])('%s', (text, path, message) => {
    const found = problems(loadPolicy(text));
    expect(found.map(problem => problem.path)).toEqual([path]);
    expect(found[0]!.message).toContain(message);
    expect(found[0]!.remedy).not.toBe('');
  });

  test('an unknown key that resembles none lists those there are', () => {
    const [problem] = problems(loadPolicy('probes: { wavelength: 5 }'));
    expect(problem!.remedy).toBe(
      'remove it, or use one of: interval_seconds, timeout_seconds, fresh_seconds',
    );
  });
});

describe('environment', () => {
  const text = `
models: { a: {} }
routes: { r: { targets: [a], driver: { kind: relaycore, url: '\${GATEWAY_SCHEME}://\${GATEWAY_HOST}:8000' } } }
`;

  test('a variable stands for its value', () => {
    const policy = accepted(text, { GATEWAY_SCHEME: 'https', GATEWAY_HOST: 'gateway.example' });
    expect(policy.routes.r!.driver).toMatchObject({
      url: 'https://gateway.example:8000',
    });
  });

  test('a missing variable is named, and its consequences are not complained about', () => {
    expect(problems(loadPolicy(text, { GATEWAY_SCHEME: 'https' }))).toEqual([
      {
        path: 'routes.r.driver.url',
        message: 'uses ${GATEWAY_HOST}, which is not set',
        remedy: 'set the environment variable GATEWAY_HOST, or write the value itself',
      },
    ]);
  });

  test('a value is not substituted again', () => {
    const policy = accepted('models: { a: { version: "${A}" } }', { A: '${B}' });
    expect(policy.models.a!.version).toBe('${B}');
  });
});

describe('whatever is written', () => {
  const isAnswer = (loaded: LoadedPolicy) =>
    loaded.kind === 'ok' ||
    (loaded.problems.length > 0 &&
      loaded.problems.every(({ path, message, remedy }) => path !== '' && message !== '' && remedy !== ''));

  test('any text gets an answer', () => {
    fc.assert(fc.property(fc.string(), text => isAnswer(loadPolicy(text))));
  });

  test('any value under any known key gets an answer', () => {
    const known = [
      'model_performance',
      'alert_settings',
      'detection',
      'latency_edges_ms',
      'models',
      'routes',
      'probes',
      'notifications',
    ];
    const policy = fc.dictionary(fc.constantFrom(...known, 'other'), fc.jsonValue());
    fc.assert(fc.property(policy, value => isAnswer(loadPolicy(stringify(value)))));
  }, 120_000);

  test('any value at one place of a good policy gets an answer', () => {
    const good = {
      model_performance: { latency: { critical_threshold_ms: 5000 } },
      models: {
        a: {
          name: 'x',
          version: '1',
          endpoint: 'http://h:1',
          probes: [
            {
              name: 'p',
              path: '/',
              method: 'POST',
              headers: { accept: 'text/plain' },
              body: { a: 1 },
              expect: { status: [200], json: [{ pointer: '/a', matches: 'x' }], max_latency_ms: 100 },
            },
          ],
          probing: { every_seconds: 60, max_per_minute: 1 },
        },
      },
      routes: {
        r: {
          targets: ['a'],
          driver: { kind: 'relaycore', url: ['http://h:2'] },
          failback: { steps: [100] },
        },
      },
    };
    const places = placesOf(good);
    expect(places.length).toBeGreaterThan(15);
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue(), (place, value) =>
        isAnswer(loadPolicy(stringify(withValueAt(good, place, value)))),
      ),
    );
  });
});

function placesOf(value: unknown, path: readonly string[] = []): string[][] {
  if (value === null || typeof value !== 'object') return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, item]) => placesOf(item, [...path, key]))];
}

function withValueAt(root: unknown, [step, ...rest]: readonly string[], value: unknown): unknown {
  if (step === undefined) return value;
  const copy = structuredClone(root) as Record<string, unknown>;
  copy[step] = withValueAt(copy[step], rest, value);
  return copy;
}
