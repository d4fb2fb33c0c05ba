import { describe, expect, test } from 'vitest';
import { badExpression, counterQueries, requestsExpression } from './expressions.ts';
import { loadPolicy } from './policy.ts';
import { syntaxError } from './promql.ts';
import { shippedThresholds, signalsOf } from './signals.ts';

function policyOf(text: string) {
  const loaded = loadPolicy(text);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return loaded.policy;
}

describe('counterQueries', () => {
  test('one a signal, and PromQL', () => {
    const queries = counterQueries(policyOf(''));
    expect(queries.map(({ signal }) => signal)).toEqual(['success', 'latency', 'accuracy', 'feedback']);
    for (const { promql } of queries) expect(syntaxError(promql), promql).toBeUndefined();
  });

  test('the same to the letter for one model and for a thousand', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `  model-${i}: {}`).join('\n');
    expect(counterQueries(policyOf(`models:\n${many}`))).toEqual(
      counterQueries(policyOf('models: { a: {} }')),
    );
  });

  test('a model’s own latency threshold adds its edge, once', () => {
    const own = 'latency: { critical_threshold_ms: 10240 }';
    const { promql } = counterQueries(policyOf(`models: { a: { ${own} }, b: { ${own} } }`))[1]!;
    expect(promql).toContain('le=~"2(\\\\.0)?|5(\\\\.0)?|10\\\\.24|\\\\+Inf"');
  });

  test('scores of probes are no evidence', () => {
    expect(counterQueries(policyOf(''))[2]!.promql).toContain('source!="probe"');
  });
});

describe('a signal that the policy adds', () => {
  const policy = policyOf(`
signals:
  toxicity: { bad: 'flagged_total', total: 'checked_total{kind="a"} or b_total', critical_threshold: 0.02 }
  groundedness: { scores: rag_groundedness, critical_threshold: 0.7, model_label: deployment }
`);
  const [toxicity, groundedness] = policy.defaults.slice(4);

  test('is asked for as written, a query a part; a histogram by its buckets', () => {
    expect(counterQueries(policy).slice(4)).toMatchObject([
      { name: 'toxicity.bad', signal: 'toxicity', promql: 'flagged_total', custom: { part: 'bad' } },
      { name: 'toxicity.total', promql: 'checked_total{kind="a"} or b_total', custom: { part: 'total' } },
      { name: 'groundedness', promql: 'rag_groundedness_bucket', custom: { part: 'scores' } },
    ]);
  });

  test('is recorded with an increase around each selector', () => {
    expect(requestsExpression(toxicity!, 600)).toContain(
      'increase(checked_total{kind="a"}[10m]) or increase(b_total[10m])',
    );
    const everyModel = { kind: 'except', names: [] } as const;
    expect(badExpression(groundedness!, 'critical', everyModel, 600)).toMatch(
      /^\(.*increase\(rag_groundedness_count\[10m\]\).* - .*increase\(rag_groundedness_sum\[10m\]\)/,
    );
  });
});

describe('badExpression', () => {
  const [success, latency] = signalsOf(shippedThresholds);
  const everyModel = { kind: 'except', names: [] } as const;

  test('covers exactly the models of its scope', () => {
    const only = badExpression(latency!, 'critical', { kind: 'only', names: ['a.b', 'c'] }, 600);
    expect(only).toContain('gen_ai_request_model=~"a\\\\.b|c"');
    const except = badExpression(latency!, 'critical', { kind: 'except', names: ['c'] }, 600);
    expect(except).toContain('gen_ai_request_model!~"c"');
    const version = badExpression(latency!, 'critical', { kind: 'only', names: ['c'], version: '2' }, 600);
    expect(version).toContain('gen_ai_request_model=~"c",ml_model_version="2"');
  });

  test('counts what is slower than the level’s own edge', () => {
    expect(badExpression(latency!, 'warning', everyModel, 600)).toContain('le=~"2(\\\\.0)?"');
    expect(badExpression(latency!, 'critical', everyModel, 600)).toContain('le=~"5(\\\\.0)?"');
  });

  test('the gateway is asked first', () => {
    for (const expression of [
      requestsExpression(success!, 600),
      requestsExpression(latency!, 600),
      badExpression(latency!, 'critical', everyModel, 600),
    ])
      expect(expression).toMatch(/relaycore_gateway.* or .*(ml_server|gen_ai_server)/);
  });
});
