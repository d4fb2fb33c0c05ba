import { expect, test } from 'vitest';
import { jsonQueryOf, untagged } from './prisma-query.ts';

test('a query with arguments and a selection', () => {
  const query = `query {
  result: findManyLiteLLM_ProxyModelTable
  (
    where: { model_id: { in: ["a","say \\"b\\", then {c}"] } NOT: [{ blocked: true }] }
    orderBy: { created_at: desc }
    take: -2, skip: 1.5e3
    cursor: null
  )
  {
    model_id
    team (where: { id: "x" }) { id }
  }
}`;
  expect(jsonQueryOf(query)).toEqual({
    modelName: 'LiteLLM_ProxyModelTable',
    action: 'findMany',
    query: {
      arguments: {
        where: { model_id: { in: ['a', 'say "b", then {c}'] }, NOT: [{ blocked: true }] },
        orderBy: { created_at: 'desc' },
        ...{ take: -2, skip: 1500, cursor: null },
      },
      selection: { model_id: true, team: { arguments: { where: { id: 'x' } }, selection: { id: true } } },
    },
  });
});

test('a raw query belongs to no model', () => {
  expect(jsonQueryOf('mutation { result: queryRaw ( query: "SELECT 1" parameters: "[]" ) }')).toEqual({
    action: 'queryRaw',
    query: { arguments: { query: 'SELECT 1', parameters: '[]' }, selection: {} },
  });
});

test.each([
  ['query { result: frobnicateTable }', /"frobnicateTable" is no method/],
  ['query { other: findManyTable }', /expected result at "other/],
  ['query { result: findManyTable ( where: { a: ', /expected .* of the query/],
])('%s is refused', (query, words) => {
  expect(() => jsonQueryOf(query)).toThrow(words);
});

test('results lose the tags of their types', () => {
  const at = { $type: 'DateTime', value: '2026-11-01T00:00:00Z' };
  expect(untagged([{ at, params: { $type: 'Json', value: '{"a":[1]}' }, count: 2, none: null }])).toEqual([
    { at: at.value, params: { a: [1] }, count: 2, none: null },
  ]);
});
