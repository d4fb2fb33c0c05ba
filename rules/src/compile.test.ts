import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { compilePolicy, policySchemaFile } from './compile.ts';
import { loadPolicy } from './policy.ts';
import { syntaxError } from './promql.ts';

interface RuleFile {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly {
      readonly record?: string;
      readonly alert?: string;
      readonly expr: string;
    }[];
  }[];
}

function compiled(text: string): Readonly<Record<string, string>> {
  const loaded = loadPolicy(text);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return compilePolicy(loaded.policy);
}

const rulesOf = (files: Readonly<Record<string, string>>) =>
  Object.entries(files)
    .filter(([name]) => name.endsWith('.rules.yml'))
    .flatMap(([, text]) => (parse(text) as RuleFile).groups.flatMap(group => group.rules));

const policyOf = (count: number) =>
  `models:\n${Array.from({ length: count }, (_, i) => `  model-${i}: { success_rate: { critical_threshold: 0.8 } }`).join('\n')}`;

test('the same policy gives the same bytes', () => {
  expect(compiled(policyOf(3))).toEqual(compiled(policyOf(3)));
  expect(policySchemaFile()).toBe(policySchemaFile());
});

test('every expression is PromQL', () => {
  const rules = rulesOf(compiled(policyOf(3)));
  expect(rules.length).toBeGreaterThan(60);
  for (const { record, alert, expr } of rules)
    expect(syntaxError(expr), `${record ?? alert}: ${expr}`).toBeUndefined();
});

test('the number of rules does not depend on the number of models', () => {
  expect(rulesOf(compiled(policyOf(500)))).toHaveLength(rulesOf(compiled('')).length);
});

test('a critical alert stands before its warning, so that inhibition has its source', () => {
  const { 'alerting.rules.yml': text } = compiled('');
  const order = (
    parse(text!) as {
      groups: { rules: { alert: string; labels: Record<string, string> }[] }[];
    }
  ).groups
    .flatMap(group => group.rules)
    .filter(({ alert }) => alert === 'ModelFailing')
    .map(({ labels }) => `${labels.detector} ${labels.severity}`);
  expect(order).toEqual(['controller critical', 'controller warning', 'rules critical', 'rules warning']);
});

test('window, cooldown, request minimum and links of the policy reach the alerts', () => {
  const { 'alerting.rules.yml': text } = compiled(`
alert_settings: { evaluation_window_minutes: 30, min_requests_for_evaluation: 77, alert_cooldown_minutes: 0 }
notifications: { links: { controller: 'http://c.example', grafana: 'http://g.example', runbooks: 'http://r.example' } }
`);
  expect(text).toContain('model:requests:increase30m{signal="success"} >= 77');
  expect(text).not.toContain('keep_firing_for');
  expect(text).toContain('runbook_url: http://r.example/ModelFailing.md');
  expect(text).toContain('http://c.example/api/v1/performance/switch-history');
  expect(text).toContain('http://g.example/d/relaycore-routes');
});
