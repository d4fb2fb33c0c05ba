import { describe, expect, test } from 'vitest';
import { hours, minutes, seconds, tell } from '../support/story.ts';

const small = '{ capacity: { requests_per_second: 5 } }';

describe('a backup that can take half of the traffic', () => {
  const targets = ['spam-v1', 'spam-v2'] as const;

  function halfRoom(models: Record<string, string> = { 'spam-v2': small }) {
    const mail = tell({ targets, models, requestsPerSecond: 10 });
    mail.behaves('spam-v2', { takes: 5.5 });
    mail.passes(minutes(15));
    mail.behaves('spam-v1', { success: 0.5 });
    mail.until('failover', minutes(1));
    return mail;
  }

  test('gets half, the rest stays, and nothing collapses', () => {
    const mail = halfRoom();
    expect(mail.decision().words).toMatch(
      /spam-v2 takes over \(its probe passed in 12 ms\): spam-v2 50\.0 % \(room for 5\.0 of 10\.0 requests\/s\), spam-v1 keeps 50\.0 % for want of room$/,
    );
    mail.passes(minutes(14));
    expect(mail.assessment('spam-v2').verdict.kind).toBe('healthy');
    expect(mail.changes()).toHaveLength(1);
  });

  test('without stating what it can take, it is given everything and buckles', () => {
    const mail = halfRoom({});
    expect(mail.state().weights).toEqual({ 'spam-v1': 0, 'spam-v2': 10_000 });
    mail.passes(minutes(5));
    expect(mail.assessment('spam-v2').verdict).toMatchObject({ kind: 'degraded', level: 'critical' });
  });

  test('takes all of it when the traffic falls, and gives half back when it rises', () => {
    const mail = halfRoom();
    mail.traffic(4);
    expect(mail.until('more_room', minutes(14))).toMatchObject({ next: { phase: { kind: 'failed_over' } } });
    mail.until('backing_off', seconds(5));
    mail.passes(minutes(1));
    expect(mail.state().weights['spam-v2']).toBeGreaterThanOrEqual(9000);
  });

  test('the primary comes back from the share that it kept', () => {
    const mail = halfRoom();
    const kept = mail.state().weights['spam-v1'];
    mail.behaves('spam-v1', { success: 0.99 });
    expect(mail.until('probe', minutes(16))).toMatchObject({ next: { weights: { 'spam-v1': kept } } });
    mail.until('failback', hours(1));
    expect(mail.state().weights).toEqual({ 'spam-v1': 10_000, 'spam-v2': 0 });
  });
});

describe('several backups', () => {
  const targets = ['spam-v1', 'spam-v2', 'spam-v3'] as const;

  function spread() {
    const mail = tell({ targets, models: { 'spam-v2': small }, requestsPerSecond: 10 });
    mail.behaves('spam-v2', { takes: 5.5 });
    mail.passes(minutes(15));
    mail.behaves('spam-v1', { success: 0 });
    mail.until('failover', minutes(1));
    return mail;
  }

  test('share what one cannot take alone', () => {
    const mail = spread();
    const { 'spam-v1': left, 'spam-v2': first, 'spam-v3': second } = mail.state().weights;
    expect(left).toBe(0);
    expect(first).toBeGreaterThan(4500);
    expect(first! + second!).toBe(10_000);
    mail.passes(minutes(10));
    for (const model of ['spam-v2', 'spam-v3'])
      expect(mail.assessment(model).verdict.kind, model).toBe('healthy');
  });

  test('one of them that goes bad is left, as far as the other has room', () => {
    const mail = spread();
    mail.passes(minutes(5));
    mail.behaves('spam-v3', { success: 0.2 });
    expect(mail.until('failover', minutes(2))).toMatchObject({
      reason: 'backup_degraded',
      from: 'spam-v3',
      to: 'spam-v2',
    });
    expect(mail.state().weights['spam-v1']).toBe(0);
    expect(mail.state().weights['spam-v2']).toBeLessThanOrEqual(5500);
  });

  test('a target that another route uses too has less room', () => {
    const mail = tell({ targets, models: { 'spam-v2': small }, requestsPerSecond: 10 });
    mail.behaves('spam-v2', { copies: 3 });
    mail.passes(minutes(15));
    mail.behaves('spam-v1', { success: 0.5 });
    expect(mail.until('failover', minutes(1)).words).toMatch(/spam-v2 \d+\.\d % \(room for 2\.0 of/);
    expect(mail.state().weights['spam-v3']).toBeGreaterThan(7500);
  });
});

describe('a drained primary', () => {
  const targets = ['spam-v1', 'spam-v2'] as const;

  function drained() {
    const mail = tell({ targets });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { success: 0.5 });
    mail.until('failover', minutes(1));
    return mail;
  }

  test('that copies of requests have proven goes straight to the first step', () => {
    const mail = drained();
    const left = mail.now();
    mail.behaves('spam-v1', { success: 0.99, copies: 2 });
    expect(mail.until('ramp', minutes(16))).toMatchObject({
      reason: 'proven',
      next: { weights: { 'spam-v1': 2500, 'spam-v2': 7500 }, phase: { kind: 'ramping', step: 0 } },
    });
    expect(mail.now() - left).toBe(minutes(15));
    expect(mail.decision().words).toMatch(
      /without a share of the traffic; success: evidence of recovery \d+\.\d of 6\.9/,
    );
    mail.until('failback', minutes(7));
    expect(mail.changes().map(({ kind }) => kind)).toEqual(['failover', 'ramp', 'failback']);
  });

  test('is not believed on copies that ended minutes ago', () => {
    const mail = drained();
    mail.behaves('spam-v1', { success: 0.99, copies: 2 });
    mail.passes(minutes(10));
    mail.behaves('spam-v1', { copies: 0 });
    expect(mail.until('probe', minutes(6))).toMatchObject({ next: { weights: { 'spam-v1': 500 } } });
  });

  test('that fails on copies too is not tried, though its probes pass', () => {
    const mail = drained();
    mail.behaves('spam-v1', { copies: 2 });
    mail.passes(minutes(14));
    expect(mail.assessment('spam-v1').verdict).toMatchObject({ level: 'critical' });
  });
});
