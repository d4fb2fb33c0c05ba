import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { policyJsonSchema } from './schema.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** Names of all keys at any depth; a union contributes those of every alternative. */
function keysOf(node: unknown): string[] {
  if (node === null || typeof node !== 'object') return [];
  const { properties = {} } = node as { properties?: Record<string, unknown> };
  return [...Object.keys(properties), ...Object.values(node).flatMap(keysOf)];
}

test('the README names every key of the policy', () => {
  const keys = [...new Set(keysOf(policyJsonSchema()))];
  expect(keys.length).toBeGreaterThan(40);
  const missing = keys.filter(
    key => !new RegExp(`(?<![A-Za-z_])${key.replace('$', '\\$')}(?![A-Za-z_])`).test(readme),
  );
  expect(missing).toEqual([]);
});
