import { expect, test } from 'vitest';
import { createTicketPool, noTicket, type Ticket } from './tickets.ts';

test('a ticket finds its slot until it is released, and never again', () => {
  const pool = createTicketPool();
  const ticket = pool.open(7, 1_000);
  const slot = pool.find(ticket, 7)!;
  expect(pool.arrivedAtMs(slot)).toBe(1_000);
  expect(pool.begunAtMs(slot)).toBeNaN();
  pool.markBegun(slot, 1_250);
  expect(pool.begunAtMs(slot)).toBe(1_250);

  pool.release(slot);
  expect(pool.find(ticket, 7)).toBeUndefined();

  const next = pool.open(7, 2_000);
  expect(pool.find(next, 7)).toBe(slot);
  expect(pool.begunAtMs(slot)).toBeNaN();
  expect(pool.find(ticket, 7)).toBeUndefined();
});

test("another owner's ticket and what is no ticket find nothing", () => {
  const pool = createTicketPool();
  const ticket = pool.open(1, 0);
  expect(pool.find(ticket, 2)).toBeUndefined();
  for (const wrong of [noTicket, Number.NaN, 0.5, 2 ** 60, undefined, null, 'x']) {
    pool.release(pool.find(pool.open(1, 0), 1)!);
    expect(pool.find(wrong as unknown as Ticket, 1), String(wrong)).toBeUndefined();
  }
});

test('the pool grows with the requests open at once and keeps what it holds', () => {
  const pool = createTicketPool();
  const tickets = Array.from({ length: 5_000 }, (_, arrivedAtMs) => pool.open(0, arrivedAtMs));
  expect(new Set(tickets).size).toBe(5_000);
  const arrivals = tickets.map(ticket => pool.arrivedAtMs(pool.find(ticket, 0)!));
  expect(arrivals).toEqual(tickets.map((_, index) => index));
});

test('a full pool gives no ticket until one is released', () => {
  const pool = createTicketPool(3);
  const [first] = [pool.open(0, 0), pool.open(0, 0), pool.open(0, 0)];
  expect(pool.open(0, 0)).toBe(noTicket);
  pool.release(pool.find(first!, 0)!);
  expect(pool.open(0, 0)).not.toBe(noTicket);
});
