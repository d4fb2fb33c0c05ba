import { counterQueries, loadPolicy, type Policy } from '@relaycore/rules';
import { describe, expect, test } from 'vitest';
import type { Increment } from './increments.ts';
import { modelIds, readingsOf } from './readings.ts';

const policy = policyOf('models: { spam-v1: {}, spam-v2: {} }');
const absentReason = (signal: string, model: string) => `no ${signal} of ${model}`;

describe('success', () => {
  test('replicas are added up; error and timeout are bad', () => {
    expect(
      read([
        outcome('ok', 90, { instance: 'a:1' }),
        outcome('ok', 70, { instance: 'b:1' }),
        outcome('error', 4, { instance: 'a:1' }),
        outcome('timeout', 6, { instance: 'b:1' }),
      ]).success,
    ).toEqual(bothLevels('server', [good(160), bad(10)]));
  });

  test.each([
    ['a caller who left', { outcome: 'cancelled' }],
    ['a caller who sent nonsense', { outcome: 'error', error_type: 'invalid_request' }],
  ])('%s says nothing about the model', (_what, labels) => {
    const ignored = grown('ml_server_requests_total', { ...named, ...labels }, 50);
    expect(read([outcome('ok', 10), ignored]).success).toEqual(bothLevels('server', [good(10)]));
  });

  test('what the gateway saw is believed rather than what the server says', () => {
    expect(read([outcome('ok', 100), attempts('ok', 60), attempts('refused', 40)]).success).toEqual(
      bothLevels('gateway', [good(60), bad(40)]),
    );
  });

  test.each([
    ['a gateway', attempts('rate_limited', 30), attempts('error', 10)],
    [
      'a server',
      grown('ml_server_requests_total', { ...named, outcome: 'error', error_type: 'rate_limited' }, 30),
      outcome('error', 10),
    ],
  ])('%s tells refusals for want of quota from other failures', (_who, refused, failed) => {
    expect(read([refused, failed]).success).toMatchObject({
      overQuota: 30,
      levels: { critical: [bad(40)] },
    });
    expect(read([failed]).success).not.toHaveProperty('overQuota');
  });

  test('a gateway that reports no requests is believed too: the model is drained', () => {
    expect(read([outcome('ok', 100), attempts('ok', 0)]).success).toEqual(bothLevels('gateway', []));
  });

  test('of two servers that may have counted the same requests, the one nearer to the caller is believed', () => {
    const answered = (code: string, delta: number) =>
      grown(
        'kn_serving_invocation_duration_seconds_count',
        { model: 'spam-v1', http_response_status_code: code },
        delta,
      );
    const ended = (reason: string, delta: number) =>
      grown('vllm:request_success_total', { model_name: 'spam-v1', finished_reason: reason }, delta);
    const vllm = [ended('stop', 50), ended('length', 5), ended('abort', 9), ended('error', 1)];
    expect(read(vllm).success).toEqual(bothLevels('server', [good(55), bad(1)]));
    expect(read([...vllm, answered('200', 60), answered('503', 40), answered('404', 7)]).success).toEqual(
      bothLevels('server', [good(60), bad(40)]),
    );
  });

  test('a server that counts failures apart has one counter each', () => {
    const server = { model: 'spam-v1', version: '1' };
    const wentWell = grown('nv_inference_request_success', server, 90);
    const failed = grown('nv_inference_request_failure', { ...server, reason: 'BACKEND' }, 10);
    const left = grown('nv_inference_request_failure', { ...server, reason: 'CANCELED' }, 5);
    expect(read([wentWell, failed, left]).success).toEqual(bothLevels('server', [good(90), bad(10)]));
  });

  test('the gateway of one model does not silence the server of another', () => {
    const readings = readingsOf(
      policy,
      [attempts('ok', 5), outcome('ok', 7, { gen_ai_request_model: 'spam-v2' })],
      absentReason,
    );
    expect(readings.get('spam-v2')?.success).toEqual(bothLevels('server', [good(7)]));
  });

  test('no series at all is absent, not zero', () => {
    expect(read([]).success).toEqual({ kind: 'absent', reason: 'no success of spam-v1' });
  });
});

describe('latency', () => {
  test('each level counts beyond its own edge', () => {
    expect(read([upTo('2', 80), upTo('5.0', 95), upTo('+Inf', 100)]).latency).toEqual({
      kind: 'counts',
      vantage: 'server',
      levels: { warning: [good(80), bad(20)], critical: [good(95), bad(5)] },
    });
  });

  test('a missing edge makes it absent and says which, and what to do', () => {
    expect(read([upTo('2', 80), upTo('10', 99), upTo('+Inf', 100)]).latency).toEqual({
      kind: 'absent',
      reason: 'not every server instance has a histogram edge at 5 s: start them with that latency threshold',
    });
  });

  test('one replica without the edge makes it absent: its requests would all be taken for slow', () => {
    const [a, b] = [{ instance: 'a:1' }, { instance: 'b:1' }];
    const complete = [upTo('2', 100, a), upTo('5', 100, a), upTo('+Inf', 100, a)];
    expect(read([...complete, upTo('2', 100, b), upTo('+Inf', 100, b)]).latency.kind).toBe('absent');
    expect(read([...complete, upTo('2', 100, b), upTo('5', 100, b), upTo('+Inf', 100, b)]).latency).toEqual(
      bothLevels('server', [good(200)]),
    );
  });

  test('with and without the unit suffix it is the same histogram', () => {
    const suffixed = (le: string, delta: number) =>
      grown('gen_ai_server_request_duration_seconds_bucket', { ...named, le }, delta);
    expect(read([suffixed('2', 8), suffixed('5', 9), suffixed('+Inf', 10)]).latency).toMatchObject({
      levels: { warning: [good(8), bad(2)], critical: [good(9), bad(1)] },
    });
  });
});

describe('accuracy', () => {
  const score = (le: string, delta: number) =>
    grown(
      'ml_evaluation_score_bucket',
      { ...named, le, evaluation_name: 'accuracy', source: 'label' },
      delta,
    );

  test('each bucket holds the scores that equal its edge; badness is what is missing to one', () => {
    const reading = read([score('0.0', 3), score('0.5', 5), score('1.0', 15), score('+Inf', 15)]).accuracy;
    expect(reading).toEqual(
      bothLevels('server', [
        { badness: 1, count: 3 },
        { badness: 0.5, count: 2 },
        { badness: 0, count: 10 },
      ]),
    );
  });

  test('buckets in any order', () => {
    const inOrder = [score('0', 3), score('0.5', 5), score('1', 15), score('+Inf', 15)];
    expect(read(inOrder.toReversed())).toEqual(read(inOrder));
  });
});

describe('feedback', () => {
  const rating = (le: string, delta: number) => grown('ml_feedback_rating_bucket', { ...named, le }, delta);

  test('ratings are scores of their own', () => {
    const readings = read([rating('0.0', 0), rating('0.25', 4), rating('1.0', 10), rating('+Inf', 10)]);
    expect(readings.feedback).toEqual(
      bothLevels('server', [
        { badness: 0.75, count: 4 },
        { badness: 0, count: 6 },
      ]),
    );
    expect(readings.accuracy.kind).toBe('absent');
  });
});

describe('scores of a histogram that the policy adds', () => {
  const custom = policyOf(`
models: { spam-v1: {} }
signals:
  groundedness: { scores: rag_groundedness, critical_threshold: 0.7 }
`);
  const query = counterQueries(custom).at(-1)!;
  const score = (le: string, delta: number, instance = 'a:1'): Increment => ({
    labels: { __name__: 'rag_groundedness_bucket', model: 'spam-v1', job: 'judge', instance, le },
    query,
    delta,
  });
  const readScores = (...increments: Increment[]) =>
    readingsOf(custom, increments, absentReason).get('spam-v1')!.groundedness;

  test('count as the upper edge of their bucket, and as good beyond the last one', () => {
    expect(readScores(score('0.5', 3), score('0.8', 8), score('+Inf', 10))).toEqual(
      bothLevels('elsewhere', [
        { badness: 0.5, count: 3 },
        { badness: 1 - 0.8, count: 5 },
        { badness: 0, count: 2 },
      ]),
    );
  });

  test('replicas with other edges are added up at the edges that all have', () => {
    const fine = ['0.25', '0.5', '1', '+Inf'].map((le, i) => score(le, [1, 3, 10, 10][i]!));
    const coarse = ['0.5', '1', '+Inf'].map((le, i) => score(le, [2, 5, 5][i]!, 'b:1'));
    expect(readScores(...fine, ...coarse)).toEqual(
      bothLevels('elsewhere', [
        { badness: 0.5, count: 5 },
        { badness: 0, count: 10 },
      ]),
    );
  });

  test('edges outside of 0 to 1 are the ends of it', () => {
    expect(readScores(score('-1', 2), score('5', 6), score('+Inf', 6))).toEqual(
      bothLevels('elsewhere', [
        { badness: 1, count: 2 },
        { badness: 0, count: 4 },
      ]),
    );
  });

  test('the same name without its query says nothing', () => {
    const { query: _, ...stray } = score('+Inf', 5);
    expect(readScores(stray)).toEqual({ kind: 'absent', reason: 'no groundedness of spam-v1' });
  });
});

describe('whose series it is', () => {
  const versions = policyOf(`
models:
  old: { name: spam, version: '1' }
  new: { name: spam, version: '2' }
  chat: { name: chat-large }
  sole-id: { name: sole, version: '1' }`);
  const idOf = modelIds(versions);

  test.each([
    ['by name and version', { modelName: 'spam', version: '2' }, 'new'],
    ['a version that the policy does not know', { modelName: 'spam', version: '3' }, undefined],
    ['no version where the policy tells versions apart', { modelName: 'spam' }, undefined],
    ['by name alone where the policy names no version', { modelName: 'chat-large', version: '5' }, 'chat'],
    ['no version, and only one model of that name', { modelName: 'sole' }, 'sole-id'],
    ['another version of the only model of a name', { modelName: 'sole', version: '2' }, undefined],
    ['a name that the policy does not know stands for itself', { modelName: 'found', version: '1' }, 'found'],
    ['a name that objects have by birth too', { modelName: 'constructor' }, 'constructor'],
  ])('%s', (_what, series, id) => {
    expect(idOf(series)).toBe(id);
  });

  test('series of an unknown version are nobody’s', () => {
    const stray = outcome('error', 9, { gen_ai_request_model: 'spam', ml_model_version: '3' });
    const readings = readingsOf(versions, [stray], absentReason);
    expect([...readings.keys()].toSorted()).toEqual(['chat', 'new', 'old', 'sole-id']);
    expect(readings.get('new')?.success.kind).toBe('absent');
  });

  test('a model that only the metrics know is found and read by the defaults', () => {
    const found = outcome('ok', 9, { gen_ai_request_model: 'found' });
    expect(readingsOf(policy, [found], absentReason).get('found')?.success).toEqual(
      bothLevels('server', [good(9)]),
    );
  });

  test('a series that says nothing about a model is left out', () => {
    const strays = [
      grown('up', { instance: 'a:1' }, 1),
      grown('ml_server_requests_total', { outcome: 'ok' }, 1),
      grown('gen_ai_server_request_duration_bucket', named, 1),
    ];
    expect(readingsOf(policy, strays, absentReason)).toEqual(readingsOf(policy, [], absentReason));
  });
});

const named = { gen_ai_request_model: 'spam-v1', ml_model_version: '1' };
const read = (increments: readonly Increment[]) =>
  readingsOf(policy, increments, absentReason).get('spam-v1')!;

function grown(name: string, labels: Record<string, string>, delta: number): Increment {
  return { labels: { __name__: name, job: 'models', instance: 'a:1', ...labels }, delta };
}
function outcome(kind: string, delta: number, more: Record<string, string> = {}): Increment {
  return grown('ml_server_requests_total', { ...named, outcome: kind, ...more }, delta);
}
function attempts(kind: string, delta: number): Increment {
  return grown('relaycore_gateway_attempts_total', { ...named, route: 'mail', outcome: kind }, delta);
}
function upTo(le: string, delta: number, more: Record<string, string> = {}): Increment {
  return grown('gen_ai_server_request_duration_bucket', { ...named, le, ...more }, delta);
}

const good = (count: number) => ({ badness: 0, count });
const bad = (count: number) => ({ badness: 1, count });
const bothLevels = (vantage: string, observations: readonly { badness: number; count: number }[]) => ({
  kind: 'counts',
  vantage,
  levels: { warning: observations, critical: observations },
});

function policyOf(text: string): Policy {
  const loaded = loadPolicy(text);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return loaded.policy;
}
