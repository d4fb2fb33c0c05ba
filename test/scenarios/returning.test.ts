import { describe, expect, test } from 'vitest';
import { hours, minutes, type Story, seconds, signalOf, tell } from '../support/story.ts';

const targets = ['spam-v1', 'spam-v2'] as const;
const shares = (primary: number) => ({ 'spam-v1': primary * 100, 'spam-v2': 10_000 - primary * 100 });

/** spam-v1 failed for a minute, is good again, and spam-v2 serves. */
function failedOver(options: { requestsPerSecond?: number; failback?: string } = {}): Story {
  const mail = tell({ targets, ...options });
  mail.passes(minutes(10));
  mail.behaves('spam-v1', { success: 0.5 });
  mail.until('failover', minutes(1));
  mail.behaves('spam-v1', { success: 0.99 });
  return mail;
}

function atCanary(options = {}): Story {
  const mail = failedOver(options);
  mail.until('probe', minutes(16));
  return mail;
}

describe('the primary comes back step by step', () => {
  test('it waits, takes a small share, earns each step, and serves all again', () => {
    const mail = failedOver();
    const left = mail.now();

    mail.passes(seconds(5));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'backing_off' });
    expect(mail.decision().words).toBe('spam-v2 serves; spam-v1 is tried again in 895 s');

    expect(mail.until('probe', minutes(16))).toMatchObject({
      reason: 'probes_passed',
      from: 'spam-v2',
      to: 'spam-v1',
      next: { weights: shares(5), phase: { kind: 'probing', to: 'spam-v2' } },
    });
    expect(mail.now() - left).toBe(minutes(15));

    mail.passes(minutes(1));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'canary_time' });
    expect(mail.decision().words).toContain('for 1740 s more');

    expect(mail.until('ramp', minutes(31))).toMatchObject({
      reason: 'proven',
      next: { weights: shares(25), phase: { kind: 'ramping', step: 0 } },
    });
    expect(mail.decision().words).toMatch(
      /proven itself \(success: evidence of recovery \d+\.\d of 6\.9 nats; latency/,
    );
    mail.passes(seconds(5));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'step_time' });

    expect(mail.until('failback', minutes(6))).toMatchObject({
      reason: 'proven',
      next: { weights: shares(100) },
    });
    expect(mail.state()).toMatchObject({
      phase: { kind: 'primary', since: mail.now() },
      backoff: { level: 0, returnedAt: mail.now() },
    });
    expect(mail.changes().map(({ kind }) => kind)).toEqual(['failover', 'probe', 'ramp', 'failback']);
    expect(mail.state().generation).toBe(4);

    mail.passes(hours(1));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'healthy' });
  });

  test('a primary whose probe fails is not tried, however long it takes', () => {
    const mail = failedOver();
    mail.probe('spam-v1', 'fails');
    mail.passes(hours(3));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'primary_not_vetted' });
    expect(mail.decision().words).toBe(
      'spam-v2 serves; spam-v1 is not tried: its probe failed 3 times in a row: answered 503',
    );
    mail.probe('spam-v1', 'passes');
    mail.until('probe', seconds(10));
  });

  test('a primary without probes is tried when the wait is over', () => {
    const mail = failedOver();
    mail.probe('spam-v1', undefined);
    expect(mail.until('probe', minutes(15)).words).toContain('it has no probes');
  });

  test('the share alone proves nothing: without enough requests it waits, and says for what', () => {
    const mail = failedOver({ requestsPerSecond: 10 });
    mail.traffic(0.2);
    mail.until('probe', minutes(16));
    mail.until('not_proven', minutes(31));
    expect(mail.decision().words).toMatch(
      /success: evidence of recovery \d\.\d of 6\.9 nats; latency: evidence/,
    );
    mail.passes(hours(1));
    expect(mail.state().phase.kind).toBe('probing');
    mail.traffic(10);
    mail.until('ramp', minutes(10));
  });

  test('what cannot be seen is not proven', () => {
    const mail = atCanary();
    mail.behaves('spam-v1', { unseen: 'no target was scraped lately' });
    mail.passes(hours(1));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'not_proven' });
    expect(mail.decision().words).toContain('success is unknown: no target was scraped lately');
    mail.behaves('spam-v1', { unseen: undefined });
    mail.until('ramp', minutes(10));
  });

  test('nor is what was good before nobody could see it for minutes', () => {
    const mail = atCanary();
    mail.passes(minutes(29));
    mail.behaves('spam-v1', { unseen: 'no target was scraped lately' });
    mail.passes(minutes(2));
    mail.behaves('spam-v1', { unseen: undefined, success: 0.2 });
    mail.passes(seconds(5));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'not_proven' });
    expect(mail.decision().words).toMatch(/success: evidence of recovery 0\.\d of 6\.9 nats/);
    mail.until('failover', minutes(2));
  });

  test('a verdict that fell while the route was frozen sends nothing back once it cannot be seen', () => {
    const mail = atCanary();
    mail.hand({ freeze: { actor: 'ada', reason: 'an audit', expiresAt: mail.now() + minutes(5) } });
    mail.behaves('spam-v1', { success: 0.2 });
    mail.passes(minutes(4));
    expect(signalOf(mail.assessment('spam-v1'), 'success').levels.critical.stands).toBe(true);
    mail.behaves('spam-v1', { unseen: 'no target was scraped lately' });
    mail.passes(minutes(30));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'not_proven' });
    mail.behaves('spam-v1', { unseen: undefined });
    expect(mail.until('failover', minutes(1))).toMatchObject({ reason: 'canary_degraded' });
  });

  test('an unknown backup holds the route where it is', () => {
    const mail = atCanary();
    mail.behaves('spam-v2', { unseen: 'no target was scraped lately' });
    mail.passes(hours(1));
    expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'unknown' });
    expect(mail.state().weights).toEqual(shares(5));
  });

  test('accuracy took it away, so accuracy has to be proven', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { accuracy: 0.4 });
    mail.until('failover', minutes(10));
    mail.until('probe', minutes(16));
    mail.behaves('spam-v1', { accuracy: 0.76 });
    mail.until('not_proven', minutes(31));
    expect(mail.decision().words).toMatch(/accuracy: evidence of recovery/);
    mail.behaves('spam-v1', { accuracy: 0.95 });
    mail.until('ramp', hours(1));
  });

  test('a second signal that stands at critical has to be proven too, or the route would leave again at once', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0, accuracy: 0 });
    mail.probe('spam-v2', 'fails');
    mail.passes(minutes(5));
    const { levels } = signalOf(mail.assessment('spam-v1'), 'accuracy');
    expect(levels.critical.stands).toBe(true);
    mail.probe('spam-v2', 'passes');
    expect(mail.until('failover', seconds(10))).toMatchObject({ signal: 'success' });
    mail.behaves('spam-v1', { success: 0.99, accuracy: 0.76 });
    mail.until('probe', minutes(16));
    mail.until('not_proven', minutes(31));
    expect(mail.decision().words).toMatch(
      /^spam-v1 has not proven itself yet: accuracy: evidence of recovery/,
    );
  });
});

describe('the primary goes bad again on its way back', () => {
  test('at the canary: all traffic back, and twice the wait', () => {
    const mail = atCanary();
    mail.behaves('spam-v1', { success: 0.3 });
    expect(mail.until('canary_degraded', minutes(10))).toMatchObject({
      kind: 'failover',
      from: 'spam-v1',
      to: 'spam-v2',
      next: { weights: shares(0), backoff: { level: 1 } },
    });
    const sentBack = mail.now();
    mail.until('probe', minutes(31));
    expect(mail.now() - sentBack).toBe(minutes(30));
  });

  test('on the ramp: the same', () => {
    const mail = atCanary();
    mail.until('ramp', minutes(31));
    mail.behaves('spam-v1', { success: 0.3 });
    expect(mail.until('ramp_degraded', minutes(2))).toMatchObject({
      kind: 'failover',
      next: { weights: shares(0), backoff: { level: 1 } },
    });
  });

  test('after the failback: a failover, and twice the wait', () => {
    const mail = atCanary();
    mail.until('failback', minutes(40));
    mail.passes(minutes(30));
    mail.behaves('spam-v1', { success: 0.3 });
    expect(mail.until('failover', minutes(1))).toMatchObject({
      reason: 'degraded',
      next: { backoff: { level: 1 } },
    });
  });

  test('the outage of a quiet primary at the canary is noticed before the minimum of requests', () => {
    const mail = tell({ targets, requestsPerSecond: 1, failback: '{ canary_percent: 20 }' });
    mail.behaves('spam-v1', { success: 0 });
    mail.until('failover', minutes(1));
    mail.until('probe', minutes(16));
    const begun = mail.now();
    const decision = mail.until('canary_degraded', minutes(5));
    expect(mail.now() - begun).toBeLessThanOrEqual(seconds(60));
    expect(decision.words).toMatch(/over 10 requests \(all failed\)/);
  });

  test('its backup is not vouched for any more: the traffic goes back to it all the same, as nothing critical is known', () => {
    const mail = atCanary();
    mail.probe('spam-v2', 'fails');
    mail.behaves('spam-v1', { success: 0.3 });
    expect(mail.until('canary_degraded', minutes(10))).toMatchObject({ kind: 'failover', to: 'spam-v2' });
  });

  test('a third target that could serve too does not draw the traffic away from the backup that serves', () => {
    const mail = tell({ targets: ['spam-v1', 'spam-v2', 'spam-v3'] });
    mail.passes(minutes(10));
    mail.probe('spam-v2', 'fails');
    mail.behaves('spam-v1', { success: 0.3 });
    mail.until('failover', minutes(1));
    mail.probe('spam-v2', 'passes');
    mail.until('probe', minutes(16));
    expect(mail.until('canary_degraded', minutes(10))).toMatchObject({ kind: 'failover', to: 'spam-v3' });
  });

  test('a warning at the canary delays, and does so no longer than it stands', () => {
    const mail = atCanary();
    mail.behaves('spam-v1', { success: 0.91 });
    mail.traffic(100);
    mail.passes(minutes(29));
    expect(mail.assessment('spam-v1').signals[0]?.levels.warning.stands).toBe(true);
    mail.until('not_proven', minutes(5));
    expect(mail.decision().words).toMatch(/success: success rate 0\.9\d+ below 0\.95/);
    mail.behaves('spam-v1', { success: 0.995 });
    mail.until('ramp', minutes(15));
  });

  test('both bad at the canary: exhausted, and the primary takes over as soon as it has recovered', () => {
    const mail = atCanary();
    mail.behaves('spam-v1', { success: 0.2 });
    mail.behaves('spam-v2', { success: 0.2 });
    mail.until('exhausted', minutes(5));
    expect(mail.state().phase.kind).toBe('probing');
    mail.passes(minutes(2));
    mail.behaves('spam-v1', { success: 0.99 });
    expect(mail.until('failover', minutes(20))).toMatchObject({ from: 'spam-v2', to: 'spam-v1' });
    expect(mail.state().phase.kind).toBe('primary');
  });
});

describe('the wait doubles, is capped, and is forgotten', () => {
  test('15 minutes, doubled with each canary that goes bad, never more than four hours', () => {
    const mail = failedOver();
    mail.behaves('spam-v1', { success: 0.3 });
    const waits = Array.from({ length: 6 }, () => {
      const sentBack = mail.now();
      mail.until('probe', hours(5));
      const wait = mail.now() - sentBack;
      mail.until('canary_degraded', minutes(10));
      return wait / minutes(1);
    });
    expect(waits).toEqual([15, 30, 60, 120, 240, 240]);
  });

  test.each([
    { stable: hours(1) - minutes(1), level: 1 },
    { stable: hours(1) + minutes(1), level: 0 },
  ])('after $stable ms of serving well the next failover starts at level $level', ({ stable, level }) => {
    const mail = atCanary();
    mail.until('failback', minutes(40));
    mail.passes(stable);
    mail.behaves('spam-v1', { success: 0 });
    mail.until('failover', minutes(1));
    expect(mail.state().backoff.level).toBe(level);
  });

  test('a primary that took over from a bad backup has returned as well: leaving it soon doubles the wait', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.person({
      weights: shares(0),
      phase: {
        kind: 'failed_over',
        to: 'spam-v2',
        since: mail.now(),
        cause: { signal: 'manual', reason: 'a look' },
      },
    });
    mail.passes(minutes(5));
    mail.behaves('spam-v2', { success: 0.2 });
    expect(mail.until('failover', minutes(1))).toMatchObject({ reason: 'backup_degraded', to: 'spam-v1' });
    expect(mail.state().backoff).toEqual({ level: 0, returnedAt: mail.now() });
  });

  test('a fault of ten minutes in every twenty moves the route once a day, and tries the primary ever more rarely', () => {
    const mail = tell({ targets });
    for (const end = mail.now() + hours(24); mail.now() < end; ) {
      mail.behaves('spam-v1', { success: 0.99 });
      mail.passes(minutes(10));
      mail.behaves('spam-v1', { success: 0.5 });
      mail.passes(minutes(10));
    }
    const count = (what: string) =>
      mail.changes().filter(({ kind, reason }) => kind === what || reason === what).length;
    expect(count('degraded')).toBe(1);
    expect(count('failback')).toBe(0);
    expect(count('probe')).toBeGreaterThan(1);
    expect(count('probe')).toBeLessThanOrEqual(9);
  });
});

describe('nothing is held against a target for ever', () => {
  test('a backup that went bad a day ago takes over again when the primary dies and its probe passes', () => {
    const mail = tell({ targets: ['spam-v1', 'spam-v2'] });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0 });
    mail.until('failover', minutes(1));
    mail.behaves('spam-v1', { success: 0.99 });
    mail.behaves('spam-v2', { success: 0 });
    expect(mail.until('backup_degraded', hours(2))).toMatchObject({ from: 'spam-v2', to: 'spam-v1' });
    mail.behaves('spam-v2', { success: 0.99 });
    mail.passes(hours(24));
    mail.behaves('spam-v1', { success: 0 });
    const decision = mail.until('failover', minutes(1));
    expect(decision).toMatchObject({ from: 'spam-v1', to: 'spam-v2' });
    expect(decision.words).toMatch(
      /spam-v2 takes over \(success critical \d+ min ago and no traffic since, its probe passed/,
    );
    mail.behaves('spam-v1', { success: 0.99 });
    mail.until('failback', hours(2));
  });

  test('a quiet backup, of which too little is known, does not keep the primary away', () => {
    const mail = failedOver();
    mail.traffic(0.002);
    mail.behaves('spam-v1', { success: 1 });
    mail.until('probe', hours(12));
  });
});
