import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { replaceMetricsTable } from './table.ts';

test('the README carries the table as it is generated now', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  expect(replaceMetricsTable(readme)).toBe(readme);
});

test('a README without a place for the table is refused', () => {
  expect(() => replaceMetricsTable('# nothing')).toThrow(/no place for the table/);
});
