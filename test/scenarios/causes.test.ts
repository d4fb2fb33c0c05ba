import { describe, expect, test } from 'vitest';
import { minutes, seconds, signalOf, tell } from '../support/story.ts';

const targets = ['spam-v1', 'spam-v2'] as const;

describe('a quota that is spent', () => {
  function overQuota(failback = '{}') {
    const mail = tell({ targets, failback });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.4, overQuota: 0.95 });
    return mail;
  }

  test('is left like any failing target, and told apart', () => {
    const mail = overQuota();
    expect(mail.until('failover', minutes(1))).toMatchObject({
      signal: 'success',
      next: { phase: { cause: { signal: 'success', kind: 'quota' } } },
    });
    expect(signalOf(mail.assessment('spam-v1'), 'success').overQuotaShare).toBeGreaterThan(0.9);
  });

  test('is tried again after two minutes, with a canary of five', () => {
    const mail = overQuota();
    mail.until('failover', minutes(1));
    const left = mail.now();
    mail.behaves('spam-v1', { success: 0.99, overQuota: 0 });
    mail.until('probe', minutes(3));
    expect(mail.now() - left).toBe(minutes(2));
    mail.until('ramp', minutes(10));
    expect(mail.now() - left).toBeLessThanOrEqual(minutes(10));
  });

  test('and is still spent: twice the wait', () => {
    const mail = overQuota();
    mail.until('probe', minutes(5));
    expect(mail.until('failover', minutes(5))).toMatchObject({ reason: 'canary_degraded' });
    const left = mail.now();
    mail.until('probe', minutes(5));
    expect(mail.now() - left).toBe(minutes(4));
  });

  test('a few 429s among other failures make no quota of it', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.4, overQuota: 0.2 });
    expect(mail.until('failover', minutes(1))).toMatchObject({
      next: { phase: { cause: { kind: 'errors' } } },
    });
    mail.behaves('spam-v1', { success: 0.99 });
    mail.passes(minutes(14));
    expect(mail.decision().reason).toBe('backing_off');
  });

  test('the policy decides otherwise', () => {
    const mail = overQuota('{ causes: { quota: { backoff_minutes: 20 } } }');
    mail.until('failover', minutes(1));
    mail.behaves('spam-v1', { success: 0.99 });
    mail.passes(minutes(19));
    expect(mail.decision().reason).toBe('backing_off');
    mail.until('probe', minutes(2));
  });
});

test.each([
  ['slow answers', { slow: 0.5 }, 'latency'],
  ['wrong answers', { accuracy: 0.3 }, 'quality'],
  ['failures', { success: 0.3 }, 'errors'],
] as const)('%s are kept apart, so that the policy can treat them apart', (_, trouble, kind) => {
  const mail = tell({
    targets,
    failback: `{ causes: { ${kind}: { backoff_minutes: 3, canary_percent: 1 } } }`,
  });
  mail.passes(minutes(10));
  mail.behaves('spam-v1', trouble);
  mail.until('failover', minutes(20));
  const left = mail.now();
  expect(mail.until('probe', minutes(4))).toMatchObject({ next: { weights: { 'spam-v1': 100 } } });
  expect(mail.now() - left).toBe(minutes(3));
});

describe('labels that come an hour late', () => {
  const policy = 'model_performance: { accuracy: { label_delay_minutes: 60 } }';
  const failback = '{ backoff_minutes: 5, canary_minutes: 1, step_minutes: 1, canary_percent: 50 }';

  /** spam-v1 answered wrongly for two hours, is good again, and spam-v2 serves. */
  function leftForWrongAnswers() {
    const mail = tell({ targets, policy, failback });
    for (const model of targets) mail.behaves(model, { scoresLateMs: minutes(60) });
    mail.passes(minutes(80));
    mail.behaves('spam-v1', { accuracy: 0.3 });
    mail.until('failover', minutes(120));
    mail.behaves('spam-v1', { accuracy: 0.95 });
    return mail;
  }

  test('drive no quick return: good labels from before prove nothing, and bad ones do not send it back', () => {
    const mail = leftForWrongAnswers();
    mail.until('probe', minutes(10));
    const tried = mail.now();
    mail.passes(minutes(60) - seconds(5));
    expect(mail.state().phase).toMatchObject({ kind: 'probing', since: tried });
    expect(mail.decision()).toMatchObject({ reason: 'not_proven' });
    mail.until('failback', minutes(30));
  });

  test('still send it back when the answers given in the canary were wrong', () => {
    const mail = leftForWrongAnswers();
    mail.behaves('spam-v1', { accuracy: 0.3 });
    mail.until('probe', minutes(10));
    const tried = mail.now();
    expect(mail.until('failover', minutes(90))).toMatchObject({
      reason: 'canary_degraded',
      signal: 'accuracy',
    });
    expect(mail.now() - tried).toBeGreaterThan(minutes(60));
  });
});
