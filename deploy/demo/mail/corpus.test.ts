import { expect, it } from 'vitest';
import { type Mail, split } from './corpus.ts';

it('holds back about half', () => {
  const { training, heldBack } = split(mails(1_000));
  expect(training.length + heldBack.length).toBe(1_000);
  expect(heldBack.length).toBeGreaterThan(430);
  expect(heldBack.length).toBeLessThan(570);
});

it('depends on the mail alone, not on its neighbours', () => {
  const all = mails(100);
  const few = all.slice(40, 60).reverse();
  const heldBack = new Set(split(all).heldBack.map(({ id }) => id));
  expect(new Set(split(few).heldBack.map(({ id }) => id))).toEqual(
    new Set(few.map(({ id }) => id).filter(id => heldBack.has(id))),
  );
});

it('keeps copies in one half, whatever their headers and groups', () => {
  const originals = mails(50);
  const copies = originals.map(mail => ({
    ...mail,
    id: `copy of ${mail.id}`,
    group: 'spam-2' as const,
    text: `X-Received: elsewhere\n${mail.text.replaceAll(' ', '\n  ')}`,
  }));
  const { heldBack } = split([...originals, ...copies]);
  const ids = new Set(heldBack.map(({ id }) => id));
  for (const { id } of originals) expect(ids.has(id)).toBe(ids.has(`copy of ${id}`));
});

function mails(count: number): Mail[] {
  return Array.from({ length: count }, (_, number) => ({
    id: `spam-1/${number}`,
    group: 'spam-1',
    spam: true,
    text: `From: someone\nSubject:Offer\n\nthis is number ${number}`,
  }));
}
