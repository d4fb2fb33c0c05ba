import { readFileSync } from 'node:fs';
import { loadPolicy } from '@relaycore/rules';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createDriver } from './drivers.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const gateways = readme.slice(readme.indexOf('## Gateways'), readme.indexOf('## The relay kit'));
const examples = [...gateways.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!);

test('the README has an example of each kind of gateway', () => {
  const kinds = examples.map(text => parse(text).driver.kind);
  expect(kinds).toEqual(['haproxy', 'document', 'litellm', 'kubernetes', 'http', 'http', 'http']);
});

test.each(examples)('a policy with it is accepted: %#', example => {
  const targets = ['spam-v1', 'spam-v2'];
  const models = Object.fromEntries(targets.map(target => [target, {}]));
  const text = stringify({ models, routes: { 'mail-filter': { targets, ...parse(example) } } });
  const loaded = loadPolicy(text, { APISIX_KEY: 'key', LITELLM_MASTER_KEY: 'key' });
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  const { driver } = loaded.policy.routes['mail-filter']!;
  expect(createDriver(driver, targets).capabilities().granularity).toBeGreaterThan(0);
});
