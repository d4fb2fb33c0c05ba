import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadPolicy } from './policy.ts';

const rate = { bad: 'flagged_total', total: 'checked_total', critical_threshold: 0.02 };
const score = { scores: 'rag_groundedness', critical_threshold: 0.7 };

const problemsOf = (policy: object) => {
  const loaded = loadPolicy(stringify(policy));
  return loaded.kind === 'ok' ? [] : loaded.problems;
};
const toxicity = (changed: object) => ({ signals: { toxicity: { ...rate, ...changed } } });
const groundedness = (changed: object) => ({ signals: { groundedness: { ...score, ...changed } } });
const model = (signals: object) => ({ ...toxicity({}), models: { nb: { signals } } });

test.each([
  ['a pair of counters', toxicity({})],
  ['a histogram of scores', groundedness({})],
  ['a warning before its critical', toxicity({ warning_threshold: 0.01 })],
  ['labels and words', toxicity({ model_label: 'deployment', version_label: 'tag', words: 'is rude' })],
  ['a looser threshold for one model', model({ toxicity: { critical_threshold: 0.1 } })],
])('accepts %s', (_, policy) => {
  expect(problemsOf(policy)).toEqual([]);
});

test.each([
  [
    toxicity({ total: undefined }),
    'signals.toxicity',
    'is neither a pair of counters nor a histogram of scores',
  ],
  [toxicity({ scores: 'x' }), 'signals.toxicity', 'is neither a pair of counters nor a histogram of scores'],
  [
    toxicity({ bad: 'rate(flagged_total[5m])' }),
    'signals.toxicity.bad',
    '"rate(flagged_total[5m])" is an estimate: one event in ten minutes reads as 1.012',
  ],
  [
    toxicity({ total: 'checked_total{model=}' }),
    'signals.toxicity.total',
    'is not PromQL: at character 21, near "l{model=}"',
  ],
  [
    groundedness({ scores: 'x_bucket' }),
    'signals.groundedness.scores',
    '"x_bucket" is a part of a histogram',
  ],
  [
    toxicity({ warning_threshold: 0.05 }),
    'signals.toxicity',
    'the warning (0.05) comes after the critical (0.02)',
  ],
  [
    groundedness({ warning_threshold: 0.6 }),
    'signals.groundedness',
    'the warning (0.6) comes after the critical (0.7)',
  ],
  [
    toxicity({ critical_threshold: 0 }),
    'signals.toxicity.critical_threshold',
    '0 leaves nothing to tell apart',
  ],
  [
    toxicity({ critical_threshold: undefined }),
    'signals.toxicity.critical_threshold',
    'is missing (number expected)',
  ],
  [toxicity({ threshold: 1 }), 'signals.toxicity.threshold', 'is not a key of the policy'],
  [toxicity({ words: 'is {{ .rude }}' }), 'signals.toxicity.words', 'is not written in the expected form'],
  [{ signals: { latency: rate } }, 'signals.latency', '"latency" is taken'],
  [{ signals: { manual: rate } }, 'signals.manual', '"manual" is taken'],
  [{ signals: { 'Too Toxic': rate } }, 'signals.Too Toxic', 'is not a usable name'],
  [
    model({ toxicty: { critical_threshold: 0.1 } }),
    'models.nb.signals.toxicty',
    'there is no signal "toxicty"',
  ],
  [
    model({ toxicity: { warning_threshold: 0.5 } }),
    'models.nb.signals.toxicity',
    'the warning (0.5) comes after the critical (0.02)',
  ],
])('refuses %j', (policy, path, message) => {
  expect(
    problemsOf(policy).map(problem => ({ path: problem.path, message: problem.message })),
  ).toContainEqual({
    path,
    message,
  });
});

test('a problem comes with a remedy', () => {
  const remedyOf = (policy: object) => problemsOf(policy)[0]!.remedy;
  expect(remedyOf(toxicity({ bad: 'sum(flagged_total)' }))).toMatch(/^leave the aggregation out/);
  expect(remedyOf(model({ toxicty: {} }))).toBe('did you mean "toxicity"?');
  expect(remedyOf({ signals: { 'Too Toxic': rate } })).toBe(
    'use lower case letters, digits and _, at most 50 characters',
  );
});
