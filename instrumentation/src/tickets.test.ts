import { expect, test } from 'vitest';
import { type Clock, createTicketPool, moments, noTicket, type Ticket } from './tickets.ts';

let nowMs = 1_000;
const clock: Clock = (times, at) => {
  times[at] = nowMs;
};

test('a ticket finds its slot until it is released, and never again', () => {
  const pool = createTicketPool({ clock, maximumSlots: 1 });
  nowMs = 1_000;
  const ticket = pool.open(7);
  const slot = pool.find(ticket, 7)!;
  expect(pool.times()[pool.at(slot, moments.arrived)]).toBe(1_000);
  expect(pool.isMarked(slot, moments.begun)).toBe(false);
  nowMs = 1_250;
  pool.mark(slot, moments.begun);
  expect(pool.times()[pool.at(slot, moments.begun)]).toBe(1_250);
  pool.addTokens(slot, 3);

  pool.release(slot);
  expect(pool.find(ticket, 7)).toBeUndefined();

  const next = pool.open(7);
  expect(pool.find(next, 7)).toBe(slot);
  expect(pool.isMarked(slot, moments.begun)).toBe(false);
  expect(pool.tokenCount(slot)).toBe(0);
  expect(pool.find(ticket, 7)).toBeUndefined();
});

test("another owner's ticket and what is no ticket find nothing", () => {
  const pool = createTicketPool({ clock });
  const ticket = pool.open(1);
  expect(pool.find(ticket, 2)).toBeUndefined();
  for (const wrong of [noTicket, Number.NaN, 0.5, ticket + 0.5, 2 ** 60, undefined, null, 'x'])
    expect(pool.find(wrong as unknown as Ticket, 1), String(wrong)).toBeUndefined();
});

test('the pool grows with the requests open at once and keeps what it holds', () => {
  const pool = createTicketPool({ clock });
  const tickets = Array.from({ length: 5_000 }, (_, arrivedAtMs) => {
    nowMs = arrivedAtMs;
    return pool.open(0);
  });
  expect(new Set(tickets).size).toBe(5_000);
  const arrivals = tickets.map(ticket => pool.times()[pool.at(pool.find(ticket, 0)!, moments.arrived)]);
  expect(arrivals).toEqual(tickets.map((_, index) => index));
});

test('a full pool gives no ticket until one is released', () => {
  const pool = createTicketPool({ clock, maximumSlots: 3 });
  const [first] = [pool.open(0), pool.open(0), pool.open(0)];
  expect(pool.open(0)).toBe(noTicket);
  pool.release(pool.find(first!, 0)!);
  expect(pool.open(0)).not.toBe(noTicket);
});

test('a ticket stays a small integer, and comes back only after eight million others', () => {
  const pool = createTicketPool({ clock });
  const first = pool.open(0);
  pool.release(pool.find(first, 0)!);
  let ticket = noTicket;
  let others = 0;
  let highest = 0;
  for (; ticket !== first; others++) {
    ticket = pool.open(0);
    highest = Math.max(highest, ticket);
    pool.release(pool.find(ticket, 0)!);
  }
  expect(others).toBeGreaterThan(8_000_000);
  expect(highest).toBeLessThan(2 ** 31);
});
