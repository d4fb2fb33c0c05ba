import { describe, expect, test } from 'vitest';
import { hours, minutes, type Story, seconds, tell } from '../support/story.ts';

/* What happens where the mode leaves a change to a person: `observe`, `advise` and `approve`. */

const targets = ['spam-v1', 'spam-v2', 'spam-v3'] as const;
const statuses = (mail: Story) => mail.proposals().map(({ kind, to, status }) => [kind, to, status]);

/** A primary that was healthy for ten minutes fails until something is proposed. */
function proposed(mode: 'observe' | 'advise' | 'approve', policy?: string): Story {
  const mail = tell({ targets, mode, ...(policy !== undefined && { policy }) });
  mail.passes(minutes(10));
  mail.behaves('spam-v1', { success: 0.2 });
  mail.until('failover', minutes(1));
  return mail;
}

describe('whatever the mode', () => {
  test.each(['observe', 'advise', 'approve'] as const)(
    '%s records what would happen, once, and moves nothing',
    mode => {
      const mail = proposed(mode);
      expect(mail.proposals()).toMatchObject([
        {
          generation: 0,
          mode,
          kind: 'failover',
          from: 'spam-v1',
          to: 'spam-v2',
          words: expect.stringContaining('spam-v2 takes over'),
          status: 'open',
          proposedAt: mail.now(),
        },
      ]);
      mail.passes(minutes(20));
      expect(mail.proposals()).toHaveLength(1);
      expect(mail.changes()).toEqual([]);
      expect(mail.state()).toMatchObject({ generation: 0, phase: { kind: 'primary' } });
    },
  );

  test('a trouble that passes withdraws it, with the time', () => {
    const mail = proposed('advise');
    mail.behaves('spam-v1', { success: 0.99 });
    mail.until('recovering', minutes(5));
    expect(mail.proposals()).toMatchObject([{ status: 'withdrawn', closedAt: mail.now() }]);
    mail.behaves('spam-v1', { success: 0.2 });
    mail.until('failover', minutes(5));
    expect(statuses(mail)).toEqual([
      ['failover', 'spam-v2', 'withdrawn'],
      ['failover', 'spam-v2', 'open'],
    ]);
  });

  test('another backup is another proposal', () => {
    const mail = proposed('advise');
    mail.probe('spam-v2', 'fails');
    mail.passes(seconds(5));
    expect(statuses(mail)).toEqual([
      ['failover', 'spam-v2', 'superseded'],
      ['failover', 'spam-v3', 'open'],
    ]);
  });

  test('while nothing can be read it stays: nobody knows better', () => {
    const mail = proposed('advise');
    mail.behaves('spam-v1', { unseen: 'Prometheus did not answer' });
    mail.until('unknown', minutes(1));
    expect(statuses(mail)).toEqual([['failover', 'spam-v2', 'open']]);
  });

  test('a frozen route proposes nothing', () => {
    const mail = proposed('advise');
    mail.hand({ freeze: { actor: 'ada', reason: 'an audit', expiresAt: mail.now() + minutes(30) } });
    mail.passes(seconds(5));
    expect(statuses(mail)).toEqual([['failover', 'spam-v2', 'withdrawn']]);
    mail.passes(minutes(30));
    expect(statuses(mail)[1]).toEqual(['failover', 'spam-v2', 'open']);
  });

  test('what is only observed or advised never runs out', () => {
    const mail = proposed('observe');
    mail.passes(hours(4));
    expect(mail.proposals()).toHaveLength(1);
    expect(mail.proposals()[0]).not.toHaveProperty('expiresAt');
  });
});

describe('approve', () => {
  test('a yes makes exactly that change, and the way back is asked for step by step', () => {
    const mail = proposed('approve');
    mail.passes(minutes(2));
    mail.answers('approved');
    expect(mail.changes()).toMatchObject([{ kind: 'failover', to: 'spam-v2', at: mail.now() }]);
    expect(mail.state()).toMatchObject({ generation: 1, phase: { kind: 'failed_over', to: 'spam-v2' } });
    mail.behaves('spam-v1', { success: 0.99 });
    for (const kind of ['probe', 'ramp', 'failback'] as const) {
      mail.until(kind, minutes(60));
      mail.passes(minutes(3));
      expect(mail.proposals().at(-1)).toMatchObject({ kind, status: 'open' });
      mail.answers('approved');
    }
    expect(mail.state()).toMatchObject({ generation: 4, phase: { kind: 'primary' } });
  });

  test('a yes that comes when it is no longer decided does nothing', () => {
    const mail = proposed('approve');
    mail.behaves('spam-v1', { unseen: 'Prometheus did not answer' });
    mail.until('unknown', minutes(1));
    expect(() => mail.answers('approved')).toThrow('it is no longer decided');
    expect(mail.changes()).toEqual([]);
  });

  test('a no holds for a while, also when the trouble goes on; then it is asked again', () => {
    const mail = proposed('approve');
    mail.answers('rejected');
    const rejectedAt = mail.now();
    mail.passes(minutes(59));
    expect(statuses(mail)).toEqual([['failover', 'spam-v2', 'rejected']]);
    mail.passes(minutes(2));
    expect(mail.proposals()[1]).toMatchObject({ status: 'open', proposedAt: rejectedAt + hours(1) });
  });

  test('a no to one backup is no no to another', () => {
    const mail = proposed('approve');
    mail.answers('rejected');
    mail.probe('spam-v2', 'fails');
    mail.passes(seconds(10));
    expect(statuses(mail)).toEqual([
      ['failover', 'spam-v2', 'rejected'],
      ['failover', 'spam-v3', 'open'],
    ]);
  });

  test('no answer: it expires, and comes back with the next firing', () => {
    const mail = proposed('approve', 'approval: { expires_minutes: 10 }');
    const expiresAt = mail.now() + minutes(10);
    expect(mail.proposals()).toMatchObject([{ expiresAt }]);
    mail.passes(minutes(10));
    expect(mail.proposals()).toMatchObject([{ status: 'expired', closedAt: expiresAt }]);
    mail.passes(minutes(5));
    expect(mail.proposals()[1]).toMatchObject({ kind: 'failover', status: 'open' });
    expect(mail.proposals()[1]!.proposedAt).toBeGreaterThan(expiresAt);
  });

  test('no answer, and no request since that could fire: it is not asked again', () => {
    const mail = proposed('approve', 'approval: { expires_minutes: 10 }');
    mail.traffic(0);
    mail.passes(minutes(11));
    expect(statuses(mail)).toEqual([['failover', 'spam-v2', 'expired']]);
    mail.passes(hours(2));
    expect(statuses(mail)).toEqual([['failover', 'spam-v2', 'expired']]);
  });

  test('no answer to a way back: it is asked again only when it was closed in between', () => {
    const mail = proposed('approve');
    mail.answers('approved');
    mail.behaves('spam-v1', { success: 0.99 });
    mail.until('probe', minutes(16));
    mail.passes(hours(3));
    expect(statuses(mail).slice(1)).toEqual([['probe', 'spam-v1', 'expired']]);
    mail.probe('spam-v1', 'fails');
    mail.passes(minutes(1));
    mail.probe('spam-v1', 'passes');
    mail.passes(minutes(1));
    expect(statuses(mail).slice(2)).toEqual([['probe', 'spam-v1', 'open']]);
  });

  test('a person moves the route: what was proposed before is superseded', () => {
    const mail = proposed('approve');
    const cause = { signal: 'manual', reason: 'I know better' } as const;
    const weights = { 'spam-v1': 0, 'spam-v2': 0, 'spam-v3': 10_000 };
    mail.person({ weights, phase: { kind: 'failed_over', to: 'spam-v3', since: mail.now(), cause } });
    expect(statuses(mail)).toEqual([['failover', 'spam-v2', 'superseded']]);
  });
});
