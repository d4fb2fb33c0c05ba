import { describe, expect, test } from 'vitest';
import { hours, minutes, type Story, seconds, tell } from '../support/story.ts';

const targets = ['spam-v1', 'spam-v2'] as const;
const onBackup = { 'spam-v1': 0, 'spam-v2': 10_000 };

test('a pinned route stays where a person put it, whatever happens', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  const expiresAt = mail.now() + minutes(30);
  mail.person({ override: { target: 'spam-v1', actor: 'ada', reason: 'measuring', expiresAt } });
  mail.behaves('spam-v1', { success: 0 });
  mail.passes(minutes(29));
  expect(mail.changes()).toEqual([]);
  const decision = mail.decision();
  expect(decision).toMatchObject({
    kind: 'hold',
    reason: 'pinned',
    otherwise: { kind: 'failover', to: 'spam-v2' },
  });
  expect(decision.words).toContain(
    `pinned to spam-v1 by ada until ${new Date(expiresAt).toISOString()}: measuring; otherwise failover to spam-v2: spam-v1: success rate 0.0`,
  );
});

test('when the pin expires, the route follows the evidence again', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  const expiresAt = mail.now() + minutes(30);
  mail.person({ override: { target: 'spam-v1', actor: 'ada', reason: 'measuring', expiresAt } });
  mail.behaves('spam-v1', { success: 0 });
  mail.until('failover', minutes(30));
  expect(mail.now()).toBe(expiresAt);
  expect(mail.state().override).toBeUndefined();
});

test('when the pin is lifted before its time, the route follows the evidence at once', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  const expiresAt = mail.now() + hours(8);
  mail.person({ override: { target: 'spam-v1', actor: 'ada', reason: 'measuring', expiresAt } });
  mail.behaves('spam-v1', { success: 0 });
  mail.passes(minutes(5));
  const { generation } = mail.state();
  mail.hand({});
  expect(mail.state().generation).toBe(generation);
  mail.passes(seconds(5));
  expect(mail.decision()).toMatchObject({ kind: 'failover', to: 'spam-v2' });
});

test('an operator pins the bad primary in the middle of a failover; when the pin ends the backup takes over again', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  mail.behaves('spam-v1', { success: 0.5 });
  mail.until('failover', minutes(1));
  const expiresAt = mail.now() + minutes(20);
  mail.person({
    weights: { 'spam-v1': 10_000, 'spam-v2': 0 },
    phase: { kind: 'primary', since: mail.now() },
    override: { target: 'spam-v1', actor: 'ada', reason: 'the backup has no licence', expiresAt },
  });
  mail.passes(minutes(20) - seconds(5));
  expect(mail.changes()).toHaveLength(1);
  expect(mail.decision()).toMatchObject({ reason: 'pinned', otherwise: { kind: 'failover' } });
  mail.passes(seconds(5));
  expect(mail.now()).toBe(expiresAt);
  expect(mail.decision()).toMatchObject({ kind: 'failover', from: 'spam-v1', to: 'spam-v2' });
});

test('a pin to a backup that runs out leaves the route as after a switch by hand', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  const since = mail.now();
  const cause = { signal: 'manual', reason: 'a comparison' } as const;
  mail.person({
    weights: onBackup,
    phase: { kind: 'failed_over', to: 'spam-v2', since, cause },
    override: { target: 'spam-v2', actor: 'ada', reason: 'a comparison', expiresAt: since + hours(1) },
  });
  expect(mail.until('probe', minutes(61))).toMatchObject({ from: 'spam-v2', to: 'spam-v1' });
  expect(mail.now()).toBe(since + hours(1));
  mail.until('failback', minutes(60));
});

describe('a frozen route', () => {
  const freeze = (mail: Story, ms: number) => {
    const expiresAt = mail.now() + ms;
    mail.hand({ freeze: { actor: 'ada', reason: 'an audit', expiresAt } });
    return expiresAt;
  };

  test('stays while its primary fails, and says what it would have done; after that it does it', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    const expiresAt = freeze(mail, minutes(30));
    mail.behaves('spam-v1', { success: 0 });
    mail.passes(minutes(29));
    expect(mail.changes()).toEqual([]);
    const decision = mail.decision();
    expect(decision).toMatchObject({
      kind: 'hold',
      reason: 'frozen',
      otherwise: { kind: 'failover', reason: 'degraded', to: 'spam-v2' },
    });
    expect(decision.words).toMatch(
      /^frozen by ada until 2026-11-02T08:40:00\.000Z: an audit; otherwise failover to spam-v2: spam-v1: success rate 0\.0/,
    );
    mail.until('failover', minutes(2));
    expect(mail.now()).toBe(expiresAt);
  });

  test('of which nothing would be said otherwise says that', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    freeze(mail, minutes(1));
    mail.passes(seconds(5));
    expect(mail.decision().words).toMatch(/; otherwise hold: spam-v1 is healthy: /);
  });

  test('stops in the middle of a ramp, and climbs on when it is thawed', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.5 });
    mail.until('failover', minutes(1));
    mail.behaves('spam-v1', { success: 0.99 });
    mail.until('ramp', minutes(60));
    const { weights } = mail.state();
    freeze(mail, hours(8));
    mail.passes(hours(2));
    expect(mail.state().weights).toEqual(weights);
    expect(mail.decision()).toMatchObject({ reason: 'frozen', otherwise: { kind: 'failback' } });
    mail.hand({});
    mail.passes(seconds(5));
    expect(mail.decision()).toMatchObject({ kind: 'failback', to: 'spam-v1' });
  });

  test('can be switched by a person, and stays frozen', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    freeze(mail, minutes(30));
    const cause = { signal: 'manual', reason: 'a new disk' } as const;
    mail.person({
      weights: onBackup,
      phase: { kind: 'failed_over', to: 'spam-v2', since: mail.now(), cause },
    });
    mail.passes(minutes(29));
    expect(mail.state()).toMatchObject({ generation: 1, weights: onBackup });
    expect(mail.decision()).toMatchObject({ reason: 'frozen', otherwise: { kind: 'probe' } });
  });

  test('that is pinned too is held until the later of both', () => {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    freeze(mail, minutes(30));
    const expiresAt = mail.now() + minutes(10);
    mail.person({ override: { target: 'spam-v1', actor: 'bob', reason: 'measuring', expiresAt } });
    mail.behaves('spam-v1', { success: 0 });
    mail.passes(seconds(5));
    expect(mail.decision()).toMatchObject({ reason: 'pinned' });
    mail.passes(minutes(15));
    expect(mail.decision()).toMatchObject({ reason: 'frozen' });
    mail.until('failover', minutes(15));
  });
});

test('a switch by hand is left only after the wait, and only for a primary that proves itself', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  mail.person({
    weights: onBackup,
    phase: {
      kind: 'failed_over',
      to: 'spam-v2',
      since: mail.now(),
      cause: { signal: 'manual', reason: 'spam-v1 gets a new disk' },
    },
  });
  const switched = mail.now();
  mail.passes(seconds(5));
  expect(mail.decision()).toMatchObject({ kind: 'hold', reason: 'backing_off' });
  mail.until('probe', minutes(16));
  expect(mail.now() - switched).toBe(minutes(15));
  mail.until('failback', minutes(40));
});

test('a person returns to the primary in the middle of a ramp: it serves all, and nothing moves any more', () => {
  const mail = tell({ targets });
  mail.passes(minutes(10));
  mail.behaves('spam-v1', { success: 0.5 });
  mail.until('failover', minutes(1));
  mail.behaves('spam-v1', { success: 0.99 });
  mail.until('ramp', minutes(60));
  mail.person({
    weights: { 'spam-v1': 10_000, 'spam-v2': 0 },
    phase: { kind: 'primary', since: mail.now() },
    backoff: { level: 0, returnedAt: mail.now() },
  });
  const { generation } = mail.state();
  mail.passes(minutes(60));
  expect(mail.state().generation).toBe(generation);
});
