import { expect, test } from 'vitest';
import { minutes, seconds, tell } from '../support/story.ts';

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
  expect(mail.decision()).toMatchObject({
    kind: 'hold',
    reason: 'pinned',
    words: `pinned to spam-v1 by ada until ${new Date(expiresAt).toISOString()}: measuring`,
  });
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
