import { describe, expect, test } from 'vitest';
import { hours, minutes, seconds, signalOf, tell } from '../support/story.ts';

const targets = ['spam-v1', 'spam-v2', 'spam-v3'] as const;
const allTo = (model: string) => ({ 'spam-v1': 0, 'spam-v2': 0, 'spam-v3': 0, [model]: 10_000 });
const switchedTo = (model: string, at: number) => ({
  weights: allTo(model),
  phase: {
    kind: 'failed_over' as const,
    to: model,
    since: at,
    cause: { signal: 'manual' as const, reason: 'a look at it' },
  },
});

describe('as long as nothing critical is proven, the route stays on its primary', () => {
  test('a healthy primary is held, and the words say how healthy', () => {
    const mail = tell({ targets });
    mail.passes(hours(1));
    expect(mail.changes()).toEqual([]);
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'healthy' });
    expect(mail.decision().words).toMatch(
      /^spam-v1 is healthy: success rate 0\.9[89]\d\d over \d+ requests \(evidence \d+\.\d of 24\.0 nats\); 0\.5 % slower than 5000 ms over .*; accuracy 0\.9\d+ over \d+ scores/,
    );
  });

  test('a warning is shown with its evidence and moves nothing', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.92 });
    const decision = mail.until('warning', minutes(15));
    expect(decision).toMatchObject({ kind: 'hold', signal: 'success' });
    expect(decision.words).toMatch(
      /^spam-v1: success rate 0\.9[12]\d\d below 0\.95 over \d+ requests \(evidence/,
    );
    mail.passes(hours(2));
    expect(mail.changes()).toEqual([]);
  });

  test('few requests are unknown, which is neither healthy nor degraded', () => {
    const mail = tell({ targets, requestsPerSecond: 1 });
    mail.passes(seconds(20));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'unknown' });
    expect(mail.decision().words).toContain('20 of 50 requests seen so far');
  });

  test('a primary that cannot be seen is held, with the reason', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { unseen: 'Prometheus at http://127.0.0.1:9090 did not answer' });
    mail.passes(minutes(30));
    expect(mail.changes()).toEqual([]);
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'unknown' });
    expect(mail.decision().words).toContain('did not answer');
  });
});

describe('a signal that the policy adds counts like the built-in ones', () => {
  const policy = `
signals:
  toxicity: { bad: flagged_total, total: checked_total, critical_threshold: 0.02 }
`;
  const clean = { custom: { toxicity: 0.005 } };
  const toxic = { custom: { toxicity: 0.1 } };

  test('it drives a failover, in its own words', () => {
    const mail = tell({ targets, policy });
    for (const model of targets) mail.behaves(model, clean);
    mail.passes(minutes(10));
    expect(mail.decision().words).toMatch(/; toxicity 0\.\d+ % over \d+ events \(evidence/);
    mail.behaves('spam-v1', toxic);
    const decision = mail.until('failover', minutes(3));
    expect(decision).toMatchObject({
      reason: 'degraded',
      signal: 'toxicity',
      from: 'spam-v1',
      to: 'spam-v2',
    });
    expect(decision.words).toMatch(
      /^spam-v1: toxicity \d+(\.\d+)? % above 2 % over \d+ events \(evidence .*\); spam-v2 takes over/,
    );
  });

  test('the primary returns once that signal too has proven itself', () => {
    const mail = tell({ targets, policy });
    for (const model of targets) mail.behaves(model, clean);
    mail.passes(minutes(10));
    mail.behaves('spam-v1', toxic);
    mail.until('failover', minutes(3));
    mail.behaves('spam-v1', clean);
    const decision = mail.until('failback', hours(2));
    expect(decision.words).toMatch(/toxicity: evidence of recovery \d+\.\d of 6\.9 nats/);
  });

  test('a model of which it says nothing is judged by the others', () => {
    const mail = tell({ targets, policy });
    mail.passes(minutes(10));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'healthy' });
    mail.behaves('spam-v1', { success: 0 });
    mail.until('failover', seconds(20));
  });
});

describe('a resource runs short', () => {
  const policy = `
resources:
  memory: { value: m, warning_threshold: 80, critical_threshold: 100, clear_below: 70, for_seconds: 60 }
`;
  const memory = (value: number) => ({ resources: { memory: value } });

  test('a warning moves nothing', () => {
    const mail = tell({ targets, policy });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', memory(90));
    const decision = mail.until('warning', minutes(2));
    expect(decision.words).toBe('spam-v1: memory 90 above 80 for 60 s');
    mail.passes(hours(1));
    expect(mail.changes()).toEqual([]);
  });

  test('critical drives a failover after its time; the primary returns when it is over, not before', () => {
    const mail = tell({ targets, policy });
    mail.behaves('spam-v1', memory(50));
    mail.passes(minutes(10));
    mail.behaves('spam-v1', memory(120));
    const fullAt = mail.now();
    const decision = mail.until('failover', minutes(2));
    expect(decision).toMatchObject({ signal: 'memory', from: 'spam-v1', to: 'spam-v2' });
    expect(decision.words).toMatch(/^spam-v1: memory 120 above 100 for 60 s; spam-v2 takes over/);
    expect(mail.now() - fullAt).toBe(seconds(65));
    mail.passes(hours(1));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'primary_not_vetted' });
    expect(mail.decision().words).toMatch(
      /^spam-v2 serves; spam-v1 is not tried: memory 120 above 100 for \d+ s$/,
    );
    mail.behaves('spam-v1', memory(60));
    const returned = mail.until('failback', hours(1));
    expect(returned.words).toContain('memory 60)');
  });

  test('short again while it proves itself sends the primary back', () => {
    const mail = tell({ targets, policy });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', memory(120));
    mail.until('failover', minutes(2));
    mail.behaves('spam-v1', memory(60));
    mail.until('probe', minutes(20));
    mail.behaves('spam-v1', memory(120));
    expect(mail.until('failover', minutes(2))).toMatchObject({ reason: 'canary_degraded', signal: 'memory' });
  });

  test('a backup that is short of it is passed over', () => {
    const mail = tell({ targets, policy });
    mail.behaves('spam-v2', memory(120));
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0 });
    expect(mail.until('failover', minutes(1))).toMatchObject({ from: 'spam-v1', to: 'spam-v3' });
  });
});

describe('a critical primary is left for the best backup that is vouched for', () => {
  test.each([
    {
      trouble: { success: 0 },
      signal: 'success',
      words: /success rate 0\.0\d+ below 0\.9 /,
      within: seconds(20),
    },
    {
      trouble: { slow: 1 },
      signal: 'latency',
      words: /slower than 5000 ms, 5\.0 % allowed/,
      within: seconds(20),
    },
    {
      trouble: { accuracy: 0.5 },
      signal: 'accuracy',
      words: /accuracy 0\.\d+ below 0\.75/,
      within: minutes(10),
    },
  ] as const)('$signal goes bad', ({ trouble, signal, words, within }) => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', trouble);
    const troubleAt = mail.now();
    const decision = mail.until('failover', within);
    expect(decision).toMatchObject({ reason: 'degraded', signal, from: 'spam-v1', to: 'spam-v2' });
    expect(decision.words).toMatch(words);
    expect(decision.words).toMatch(/spam-v2 takes over \(its probe passed in 12 ms\)$/);
    expect(mail.state()).toMatchObject({
      generation: 1,
      weights: allTo('spam-v2'),
      phase: { kind: 'failed_over', to: 'spam-v2', since: mail.now(), cause: { signal } },
      backoff: { level: 0 },
    });
    const { since } = signalOf(mail.assessment('spam-v1'), signal).levels.critical;
    expect(Math.abs(since! - troubleAt)).toBeLessThanOrEqual(seconds(60));
  });

  test('a backup whose probe fails is passed over', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.probe('spam-v2', 'fails');
    mail.behaves('spam-v1', { success: 0.5 });
    expect(mail.until('failover', minutes(1))).toMatchObject({
      to: 'spam-v3',
      alternatives: [
        {
          model: 'spam-v2',
          vetted: false,
          chosen: false,
          why: 'its probe failed 3 times in a row: answered 503',
        },
        { model: 'spam-v3', vetted: true, chosen: true },
      ],
    });
  });

  test('nobody is vouched for: the route stays, and takes the first backup that is', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.probe('spam-v2', undefined);
    mail.probe('spam-v3', 'fails');
    mail.behaves('spam-v1', { success: 0.5 });
    const held = mail.until('no_vetted_backup', minutes(1));
    expect(held).toMatchObject({ kind: 'hold', signal: 'success' });
    expect(held.words).toContain('spam-v2: neither a recent probe nor evidence vouches for it');
    mail.passes(minutes(5));
    expect(mail.changes()).toEqual([]);
    mail.probe('spam-v3', 'passes');
    mail.until('failover', minutes(1));
    expect(mail.state().weights).toEqual(allTo('spam-v3'));
  });

  test('the time of the change stays the same while the trouble goes on', () => {
    const mail = tell({ targets: ['spam-v1'] });
    mail.passes(minutes(10));
    const troubleAt = mail.now();
    mail.behaves('spam-v1', { success: 0.2 });
    mail.until('all_degraded', minutes(1));
    const first = mail.assessment('spam-v1').verdict;
    mail.passes(minutes(20));
    const { critical } = signalOf(mail.assessment('spam-v1'), 'success').levels;
    expect(critical.firedAt).toBeGreaterThan(troubleAt + minutes(15));
    expect(critical.since).toBe(troubleAt);
    expect(mail.assessment('spam-v1').verdict).toEqual(first);
  });

  test('a quiet primary is left after ten failures in a row, before the minimum of requests', () => {
    const mail = tell({ targets, requestsPerSecond: 0.2 });
    mail.passes(minutes(1));
    mail.behaves('spam-v1', { success: 0 });
    const decision = mail.until('failover', seconds(60));
    expect(decision.words).toMatch(
      /^spam-v1: success rate 0\.0000 below 0\.9 over 10 requests \(all failed\)/,
    );
  });
});

describe('the backup that serves goes bad too', () => {
  const failedOver = () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.5 });
    mail.until('failover', minutes(1));
    mail.passes(minutes(5));
    return mail;
  };

  test('the next best takes over', () => {
    const mail = failedOver();
    mail.behaves('spam-v2', { success: 0.5 });
    expect(mail.until('failover', minutes(1))).toMatchObject({
      reason: 'backup_degraded',
      from: 'spam-v2',
      to: 'spam-v3',
    });
    expect(mail.state().weights).toEqual(allTo('spam-v3'));
  });

  test('every target is degraded: exhausted, and the one that serves keeps serving', () => {
    const mail = failedOver();
    mail.behaves('spam-v2', { success: 0.5 });
    mail.until('failover', minutes(1));
    mail.behaves('spam-v3', { success: 0.5 });
    const decision = mail.until('exhausted', minutes(1));
    expect(decision).toMatchObject({ reason: 'all_degraded', signal: 'success' });
    expect(decision.words).toContain('spam-v1: success critical; spam-v2: success critical');
    expect(mail.state().weights).toEqual(allTo('spam-v3'));
  });

  test('a backup with a warning serves on, and is taken only when nobody is better', () => {
    const mail = tell({ targets });
    mail.person(switchedTo('spam-v2', mail.now()));
    mail.behaves('spam-v2', { success: 0.92 });
    mail.passes(minutes(14));
    expect(mail.assessment('spam-v2').verdict).toMatchObject({ kind: 'degraded', level: 'warning' });
    expect(mail.changes()).toEqual([]);
    mail.person({ weights: allTo('spam-v1'), phase: { kind: 'primary', since: mail.now() } });
    mail.passes(minutes(5));
    mail.behaves('spam-v1', { success: 0.5 });
    expect(mail.until('failover', minutes(2))).toMatchObject({ to: 'spam-v3' });

    mail.probe('spam-v1', 'fails');
    mail.behaves('spam-v3', { success: 0.5 });
    expect(mail.until('failover', minutes(2))).toMatchObject({ from: 'spam-v3', to: 'spam-v2' });
    mail.passes(minutes(2));
    expect(mail.state().weights).toEqual(allTo('spam-v2'));
  });

  test('a bad backup does not keep a recovered primary away for ever', () => {
    const mail = tell({ targets: ['spam-v1', 'spam-v2'] });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.2 });
    mail.until('failover', minutes(1));
    mail.behaves('spam-v1', { success: 0.99 });
    mail.passes(minutes(5));
    mail.behaves('spam-v2', { success: 0.2 });
    mail.until('exhausted', minutes(1));
    mail.until('probe', minutes(15));
    const decision = mail.until('failover', minutes(20));
    expect(decision).toMatchObject({ reason: 'backup_degraded', from: 'spam-v2', to: 'spam-v1' });
    expect(mail.state()).toMatchObject({
      phase: { kind: 'primary' },
      weights: { 'spam-v1': 10_000, 'spam-v2': 0 },
      backoff: { returnedAt: mail.now() },
    });
  });
});

describe('a trouble that is over moves nothing', () => {
  test('all targets are out together; when they are back, the route is still where it was', () => {
    const mail = tell({ targets: ['spam-v1', 'spam-v2'] });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0 });
    mail.probe('spam-v2', 'fails');
    mail.until('no_vetted_backup', minutes(1));
    mail.passes(minutes(5));
    mail.behaves('spam-v1', { success: 0.99 });
    mail.probe('spam-v2', 'passes');
    expect(mail.until('recovering', minutes(1)).words).toMatch(
      /spam-v1 serves and is recovering, with \d+\.\d nats for it lately/,
    );
    mail.until('healthy', minutes(5));
    expect(mail.changes()).toEqual([]);
  });
});
