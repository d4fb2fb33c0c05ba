import { describe, expect, test } from 'vitest';
import { hours, minutes, type Story, seconds, tell } from '../support/story.ts';

const two = ['spam-v1', 'spam-v2'] as const;
const three = ['spam-v1', 'spam-v2', 'spam-v3'] as const;
/** Shares in percent. */
const shares = (mail: Story) => Object.values(mail.state().weights).map(weight => weight / 100);
const steps = (mail: Story) => mail.changes().filter(({ kind }) => kind === 'balance');

test('it is off unless the policy asks for it: a slow primary that is healthy serves everything', () => {
  const mail = tell({ targets: two });
  mail.behaves('spam-v1', { latency: 1.5 });
  mail.passes(hours(2));
  expect(mail.changes()).toEqual([]);
  expect(mail.state().phase.kind).toBe('primary');
});

describe('a healthy route is spread over its targets', () => {
  test('at first each gets the least, then what it deserves by its latency', () => {
    const mail = tell({ targets: two, balance: '{ by: [latency] }' });
    mail.behaves('spam-v1', { latency: 0.6 });
    mail.behaves('spam-v2', { latency: 0.3 });
    const began = mail.now();
    expect(mail.until('balance', minutes(11))).toMatchObject({ from: 'spam-v1', to: 'spam-v2' });
    expect(mail.now() - began).toBe(minutes(10));
    expect(mail.state()).toMatchObject({ generation: 1, phase: { kind: 'balanced', since: mail.now() } });
    expect(shares(mail)).toEqual([95, 5]);
    const { words } = mail.until('balance', minutes(11));
    expect(words).toMatch(
      /^spam-v1 95 % → 85 %, spam-v2 5 % → 15 % \(spam-v1 95 % \(0\.6 s, success 0\.990, .*; spam-v2 5 % \(0\.3 s/,
    );
    mail.passes(hours(5));
    expect(shares(mail)[1]).toBeGreaterThan(60);
    expect(shares(mail)[1]).toBeLessThan(68);
  });

  test('no share moves by more than a step, and no step comes sooner than the policy says', () => {
    const mail = tell({ targets: three, balance: '{ step_percent: 4, every_minutes: 15 }' });
    mail.behaves('spam-v3', { latency: 0.1 });
    mail.passes(hours(3));
    const times = steps(mail).map(({ at }) => at);
    expect(times.length).toBeGreaterThan(5);
    expect(Math.min(...times.slice(1).map((at, i) => at - times[i]!))).toBe(minutes(15));
    const weights = [{ 'spam-v1': 10_000 }, ...steps(mail).map(({ next }) => next.weights)];
    for (const [i, next] of weights.slice(1).entries())
      for (const model of three)
        expect(
          Math.abs(next[model]! - ((weights[i] as Record<string, number>)[model] ?? 0)),
        ).toBeLessThanOrEqual(400);
  });

  test('a fast target gets no more than it can take, also when another one is left', () => {
    const models = { 'spam-v2': '{ capacity: { requests_per_second: 3 } }' };
    const mail = tell({ targets: three, models, balance: '{}' });
    mail.behaves('spam-v2', { latency: 0.05 });
    mail.passes(hours(5));
    expect(shares(mail)[1]).toBeGreaterThan(24);
    expect(shares(mail)[1]).toBeLessThanOrEqual(30);
    mail.behaves('spam-v3', { success: 0.3 });
    mail.until('failover', minutes(2));
    expect(shares(mail)[1]).toBeLessThanOrEqual(30);
    expect(shares(mail)[2]).toBe(0);
  });

  test('better answers outweigh faster ones', () => {
    const mail = tell({ targets: two, balance: '{}' });
    mail.behaves('spam-v1', { latency: 0.5, accuracy: 0.98 });
    mail.behaves('spam-v2', { latency: 0.35, accuracy: 0.88 });
    mail.passes(hours(5));
    // (0.98 / 0.88)^8 = 2.37 against 0.5 / 0.35 = 1.43
    expect(shares(mail)[0]).toBeGreaterThan(58);
    expect(shares(mail)[0]).toBeLessThan(68);
  });

  test('who fails fast attracts nobody', () => {
    const mail = tell({ targets: two, balance: '{}' });
    mail.behaves('spam-v2', { latency: 0.45, success: 0.96 });
    mail.passes(hours(4));
    expect(shares(mail)[1]).toBeLessThan(50);
  });

  test('a share stays within its bounds', () => {
    const mail = tell({ targets: two, balance: '{ minimum_percent: 10, maximum_percent: 80 }' });
    mail.behaves('spam-v2', { latency: 0.01 });
    mail.passes(hours(5));
    expect(shares(mail)[1]).toBeGreaterThan(70);
    expect(Math.max(...steps(mail).map(({ next }) => next.weights['spam-v2']!))).toBeLessThanOrEqual(8000);
  });

  test('one that takes no part gets nothing', () => {
    const mail = tell({ targets: three, balance: '{ targets: [spam-v1, spam-v3] }' });
    mail.passes(hours(1));
    expect(mail.state().weights['spam-v2']).toBe(0);
    expect(mail.state().weights['spam-v3']).toBeGreaterThan(1000);
  });

  test('too few requests to measure anything: everything stays', () => {
    const mail = tell({ targets: two, balance: '{}', requestsPerSecond: 0.05 });
    mail.passes(hours(2));
    expect(mail.changes()).toEqual([]);
  });
});

describe('more load makes a target slower', () => {
  /** One server with room for so many requests a second: M/M/1. */
  const server = (perSecond: number) => ({ latency: (load: number) => 1 / Math.max(0.5, perSecond - load) });

  test.each([
    { load: 12, fast: 16, slow: 8 },
    { load: 16, fast: 12, slow: 8 },
    { load: 20, fast: 16, slow: 8 },
  ])('at $load of $fast + $slow requests a second the shares come to rest', ({ load, fast, slow }) => {
    const mail = tell({ targets: two, balance: '{ by: [latency] }', requestsPerSecond: load });
    mail.behaves('spam-v1', server(slow * 3));
    mail.behaves('spam-v2', server(fast));
    mail.passes(hours(1));
    // The primary loses room while the route is spread.
    mail.behaves('spam-v1', server(slow));
    mail.passes(hours(7));
    const settled = steps(mail).length;
    mail.passes(hours(3));
    expect(steps(mail).length - settled).toBeLessThanOrEqual(1);
    const [first, second] = shares(mail).map(share => (share / 100) * load);
    const inFlight = [first! / (slow - first!), second! / (fast - second!)];
    expect(inFlight[0]! / inFlight[1]!).toBeGreaterThan(0.6);
    expect(inFlight[0]! / inFlight[1]!).toBeLessThan(1.6);
  });
});

describe('never against a verdict', () => {
  const spread = (more: Parameters<typeof tell>[0] = { targets: two }) => {
    const mail = tell({ balance: '{}', failback: '{ backoff_minutes: 15 }', ...more });
    mail.passes(hours(2));
    expect(mail.state().phase.kind).toBe('balanced');
    return mail;
  };

  test('a target with a warning gains nothing, however fast it is', () => {
    const mail = spread();
    mail.behaves('spam-v2', { success: 0.93 });
    mail.passes(minutes(30));
    expect(mail.assessment('spam-v2').verdict).toMatchObject({ kind: 'degraded', level: 'warning' });
    const before = mail.state().weights['spam-v2']!;
    mail.behaves('spam-v2', { latency: 0.01 });
    mail.passes(hours(3));
    expect(mail.state().weights['spam-v2']).toBeLessThanOrEqual(before);
  });

  test('a target that cannot be seen keeps its share', () => {
    const mail = spread({ targets: three });
    mail.behaves('spam-v3', { unseen: 'no target was scraped lately' });
    const before = mail.state().weights['spam-v3'];
    mail.behaves('spam-v1', { latency: 0.2 });
    mail.passes(hours(2));
    expect(mail.state().weights['spam-v3']).toBe(before);
  });

  test('nothing can be seen: everything stays, with the reason', () => {
    const mail = spread();
    const { generation } = mail.state();
    for (const model of two) mail.behaves(model, { unseen: 'Prometheus did not answer' });
    mail.passes(hours(1));
    expect(mail.state().generation).toBe(generation);
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'unknown' });
    expect(mail.decision().words).toContain('Prometheus did not answer');
  });

  test('a critical target loses everything at once to those that carry traffic, each as much as it has', () => {
    const mail = spread({ targets: three });
    const before = mail.state().weights;
    mail.behaves('spam-v2', { success: 0 });
    const decision = mail.until('failover', seconds(30));
    expect(decision).toMatchObject({ reason: 'degraded', from: 'spam-v2', signal: 'success' });
    expect(decision.words).toMatch(
      /^spam-v2: success rate 0\.0.*; those that carry traffic already take over: spam-v2 3\d.* % → 0 %, spam-v/,
    );
    const after = mail.state().weights;
    expect(mail.state().phase).toEqual({ kind: 'balanced', since: mail.now() });
    expect(after['spam-v2']).toBe(0);
    expect(after['spam-v1']! / after['spam-v3']!).toBeCloseTo(before['spam-v1']! / before['spam-v3']!, 2);
  });

  test('it comes back after its wait with the least share, and gains once its recovery is proven', () => {
    const mail = spread({ targets: three });
    mail.behaves('spam-v1', { success: 0 });
    mail.until('failover', seconds(30));
    const leftAt = mail.now();
    mail.behaves('spam-v1', { success: 0.99 });
    while (mail.state().weights['spam-v1'] === 0) mail.until('balance', hours(1));
    expect(mail.now() - leftAt).toBeGreaterThanOrEqual(minutes(15));
    expect(mail.state().weights['spam-v1']).toBe(500);
    mail.passes(hours(3));
    expect(shares(mail)[0]).toBeGreaterThan(20);
  });

  test('it relapses: out again, and twice the wait', () => {
    const mail = spread({ targets: three });
    mail.behaves('spam-v1', { success: 0 });
    mail.until('failover', seconds(30));
    while (mail.state().weights['spam-v1'] === 0) mail.until('balance', hours(1));
    mail.until('failover', minutes(10));
    const leftAt = mail.now();
    expect(mail.state()).toMatchObject({ weights: { 'spam-v1': 0 }, backoff: { level: 1 } });
    while (mail.state().weights['spam-v1'] === 0) mail.until('balance', hours(1));
    expect(mail.now() - leftAt).toBeGreaterThanOrEqual(minutes(30));
  });

  test('every target is critical: exhausted, and the shares stay', () => {
    const mail = spread();
    const before = mail.state().weights;
    for (const model of two) mail.behaves(model, { success: 0 });
    mail.until('exhausted', minutes(1));
    expect(mail.state().weights).toEqual(before);
  });
});

test('nobody else carries traffic: an ordinary failover, the way back, and then it is balanced again', () => {
  const mail = tell({ targets: two, balance: '{}', failback: '{ canary_minutes: 5, step_minutes: 2 }' });
  mail.passes(minutes(5));
  mail.behaves('spam-v1', { success: 0.5 });
  mail.until('failover', minutes(2));
  expect(mail.state().phase.kind).toBe('failed_over');
  mail.behaves('spam-v1', { success: 0.99 });
  mail.until('failback', hours(3));
  expect(shares(mail)).toEqual([100, 0]);
  mail.until('balance', minutes(11));
  expect(mail.state().phase.kind).toBe('balanced');
  mail.passes(hours(3));
  expect(shares(mail)[1]).toBeGreaterThan(35);
});

describe('a person', () => {
  test('pins a target: it keeps everything until the pin ends, then the route is spread again', () => {
    const mail = tell({ targets: two, balance: '{}' });
    mail.passes(hours(3));
    const expiresAt = mail.now() + hours(1);
    mail.person({
      weights: { 'spam-v1': 10_000, 'spam-v2': 0 },
      phase: { kind: 'primary', since: mail.now() },
      override: { target: 'spam-v1', actor: 'ada', reason: 'measuring', expiresAt },
    });
    const { generation } = mail.state();
    mail.passes(hours(1) - seconds(5));
    expect(mail.state().generation).toBe(generation);
    expect(mail.decision()).toMatchObject({ reason: 'pinned', otherwise: { kind: 'balance' } });
    expect(mail.until('balance', seconds(10))).toMatchObject({ from: 'spam-v1', to: 'spam-v2' });
    expect(mail.now()).toBe(expiresAt);
  });

  test('freezes it: the shares stay as they are', () => {
    const mail = tell({ targets: two, balance: '{}' });
    mail.passes(minutes(30));
    const { generation } = mail.state();
    mail.hand({ freeze: { actor: 'ada', reason: 'an audit', expiresAt: mail.now() + hours(2) } });
    mail.passes(hours(2) - seconds(5));
    expect(mail.state().generation).toBe(generation);
    expect(mail.decision()).toMatchObject({ reason: 'frozen', otherwise: { kind: 'balance' } });
  });

  test('is asked in mode approve, and each yes is one step', () => {
    const mail = tell({ targets: two, balance: '{}', mode: 'approve' });
    mail.passes(minutes(20));
    expect(mail.changes()).toEqual([]);
    expect(mail.proposals()).toMatchObject([
      { kind: 'balance', from: 'spam-v1', to: 'spam-v2', status: 'open' },
    ]);
    mail.answers('approved');
    expect(shares(mail)).toEqual([95, 5]);
  });
});

test('a gateway that holds no shares is not balanced, and the status says so', () => {
  const mail = tell({ targets: two, balance: '{}', allOrNothing: true });
  mail.passes(hours(1));
  expect(mail.changes()).toEqual([]);
  expect(mail.decision().words).toMatch(/; it is not balanced, because its gateway holds no shares$/);
});
