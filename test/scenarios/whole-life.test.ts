import { describe, expect, test } from 'vitest';
import { hours, minutes, type Story, seconds, tell } from '../support/story.ts';

const targets = ['spam-v1', 'spam-v2'] as const;
const kindsOf = (mail: Story) => mail.changes().map(({ kind }) => kind);

describe('a fault that comes and goes for two days', () => {
  test.each([5, 10, 20, 30])('every %i minutes, half of the time: at most two switches a day', period => {
    const mail = tell({ targets });
    mail.passes(minutes(15));
    for (let passed = 0; passed < 2 * 24 * 60; passed += period) {
      mail.behaves('spam-v1', { success: 0.5 });
      mail.passes(minutes(period / 2));
      mail.behaves('spam-v1', { success: 0.99 });
      mail.passes(minutes(period / 2));
    }
    // Full switches: a canary that goes bad costs a small share for a while.
    const switches = mail.changes().filter(({ kind, reason }) => {
      return kind === 'failback' || (kind === 'failover' && reason !== 'canary_degraded');
    });
    expect(switches.length).toBeGreaterThan(0);
    expect(switches.length).toBeLessThanOrEqual(4);
  });
});

describe('the controller is restarted', () => {
  /** Plays one life of the route; whatever `at` names is where the controller ends and another one begins. */
  function life(at: string, evidence: 'kept' | 'lost'): Story {
    const mail = tell({ targets });
    const reached = (phase: string) => {
      if (phase === at) mail.restarts(evidence);
    };
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.85 });
    mail.passes(seconds(60));
    reached('while evidence builds up');
    mail.until('failover', minutes(10));
    reached('right after the failover');
    mail.passes(minutes(5));
    mail.behaves('spam-v1', { success: 0.99 });
    reached('while the backup serves');
    mail.until('probe', minutes(16));
    reached('right after the canary began');
    mail.passes(minutes(15));
    reached('in the canary');
    mail.until('ramp', hours(1));
    reached('on the ramp');
    mail.until('failback', hours(1));
    reached('right after the failback');
    mail.passes(hours(2));
    return mail;
  }

  describe.each([
    'while evidence builds up',
    'right after the failover',
    'while the backup serves',
    'right after the canary began',
    'in the canary',
    'on the ramp',
    'right after the failback',
  ])('%s', phase => {
    test.each(['kept', 'lost'] as const)('evidence %s: the life of the route goes on', evidence => {
      const mail = life(phase, evidence);
      expect(kindsOf(mail)).toEqual(['failover', 'probe', 'ramp', 'failback']);
      expect(mail.state()).toMatchObject({ generation: 4, phase: { kind: 'primary' } });
      expect(mail.decision().reason).toBe('healthy');
    });
  });
});

test('a primary that recovers while it has no traffic waits, and earns its way back', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  mail.behaves('spam-v1', { success: 0 });
  mail.probe('spam-v1', 'fails');
  mail.until('failover', minutes(2));
  mail.passes(minutes(30));
  expect(mail.decision()).toMatchObject({ reason: 'primary_not_vetted' });
  expect(mail.assessment('spam-v1').verdict).toMatchObject({ kind: 'degraded' });
  mail.behaves('spam-v1', { success: 0.99 });
  mail.probe('spam-v1', 'passes');
  mail.until('failback', hours(2));
  expect(kindsOf(mail)).toEqual(['failover', 'probe', 'ramp', 'failback']);
});

test('answers get worse while every request succeeds, every health check is green and nothing is slow', () => {
  const mail = tell({ targets });
  mail.passes(minutes(30));
  mail.behaves('spam-v1', { accuracy: 0.6, success: 1, slow: 0 });
  const worseSince = mail.now();
  expect(mail.until('failover', minutes(15))).toMatchObject({
    signal: 'accuracy',
    next: { phase: { cause: { kind: 'quality' } } },
  });
  expect(mail.now() - worseSince).toBeLessThanOrEqual(minutes(10));
  mail.passes(hours(4));
  expect(kindsOf(mail)).toContain('probe');
  expect(kindsOf(mail), 'still as bad').not.toContain('ramp');
});
