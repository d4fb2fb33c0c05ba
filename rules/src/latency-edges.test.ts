import { describe, expect, test } from 'vitest';
import { commonEdges, edgeAt, thresholdAt } from './latency-edges.ts';
import { loadPolicy } from './policy.ts';
import { profiles } from './profiles/index.ts';

const tgi = profiles.tgi!.latency!.edgesSeconds;

describe('the edge of a threshold', () => {
  test.each([
    ['stands exactly there', 2000, [1, 2, 5], 2],
    ['is not the next one below', 2001, [1, 2, 5], undefined],
    ['nor the next one above', 1990, [1, 2, 5], undefined],
    ['survives binary fractions', 5120, [2.56, 5.12], 5.12],
    ['is told by its first digits', 2525, tgi, 2.5251168294042348],
    ['never below the threshold', 2526, tgi, undefined],
  ])('%s', (_, thresholdMs, edges, edge) => {
    expect(edgeAt(thresholdMs, edges)).toBe(edge);
  });

  test.each(
    Object.entries(profiles).flatMap(([name, { latency }]) => (latency ? [[name, latency] as const] : [])),
  )('of %s is found from the threshold that a refused policy is told', (_, { edgesSeconds }) => {
    for (const edge of edgesSeconds) expect(edgeAt(thresholdAt(edge), edgesSeconds)).toBe(edge);
  });
});

test('several profiles have the edges that each of them has, and those that the policy adds', () => {
  expect(commonEdges(['vllm', 'sglang', 'triton'], [1500])).toEqual([0.8, 1, 1.5, 2, 10, 20, 40, 60]);
  expect(commonEdges(['triton'], [1500])).toBeUndefined();
});

test('a model is judged at the edge of its own servers, and told of its threshold', () => {
  const latency = '{ warning_threshold_ms: 2525, critical_threshold_ms: 5681 }';
  const loaded = loadPolicy(`models: { m: { profile: tgi, latency: ${latency} }, other: { profile: vllm } }`);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  const { models, defaults } = loaded.policy;
  expect(models.m!.signals[1]!.levels.warning).toMatchObject({
    threshold: 2525,
    edgeSeconds: 2.5251168294042348,
  });
  expect(models.other!.signals).toBe(defaults);
});
