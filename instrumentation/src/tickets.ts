declare const ticketBrand: unique symbol;

/**
 * One open request: a slot and the slot's generation packed into a number, so that opening and ending a request
 * allocates nothing and a ticket used twice is noticed.
 */
export type Ticket = number & { readonly [ticketBrand]: true };

/** What a request gets when no slot is left; it belongs to nobody. */
export const noTicket = -1 as Ticket;

/** Slots a pool can have. With 2^32 generations a ticket stays below 2^53, where numbers are exact. */
const slotSpan = 2 ** 20;
const initialSlots = 256;
const endOfList = -1;

export interface TicketPool {
  /** Opens a request of this owner (a small whole number), or gives `noTicket` when the pool is full. */
  open(owner: number, arrivedAtMs: number): Ticket;
  /** The slot of an open ticket of this owner; undefined if it ended already, is another's, or is no ticket. */
  find(ticket: Ticket, owner: number): number | undefined;
  arrivedAtMs(slot: number): number;
  /** NaN until `markBegun`. */
  begunAtMs(slot: number): number;
  markBegun(slot: number, begunAtMs: number): void;
  /** Ends the slot's ticket and frees the slot. */
  release(slot: number): void;
}

/** @param maximumSlots requests open at once; beyond it something leaks tickets, and memory must not follow. */
export function createTicketPool(maximumSlots: number = slotSpan): TicketPool {
  let generations = new Uint32Array(0);
  let owners = new Uint16Array(0);
  let arrivals = new Float64Array(0);
  let beginnings = new Float64Array(0);
  let nextFree = new Int32Array(0);
  let firstFree = endOfList;

  function grow(): void {
    const before = generations.length;
    const after = Math.min(maximumSlots, Math.max(initialSlots, before * 2));
    // From 1, so that no ticket is 0, which `null` and `false` would pass for.
    generations = copyInto(new Uint32Array(after).fill(1), generations);
    owners = copyInto(new Uint16Array(after), owners);
    arrivals = copyInto(new Float64Array(after), arrivals);
    beginnings = copyInto(new Float64Array(after), beginnings);
    nextFree = copyInto(new Int32Array(after), nextFree);
    for (let slot = after - 1; slot >= before; slot--) {
      nextFree[slot] = firstFree;
      firstFree = slot;
    }
  }

  return {
    open(owner, arrivedAtMs) {
      if (firstFree === endOfList && generations.length < maximumSlots) grow();
      if (firstFree === endOfList) return noTicket;
      const slot = firstFree;
      firstFree = nextFree[slot]!;
      owners[slot] = owner;
      arrivals[slot] = arrivedAtMs;
      beginnings[slot] = Number.NaN;
      return (generations[slot]! * slotSpan + slot) as Ticket;
    },
    find(ticket, owner) {
      const slot = ticket % slotSpan;
      const open = generations[slot] === Math.floor(ticket / slotSpan) && owners[slot] === owner;
      return open ? slot : undefined;
    },
    arrivedAtMs: slot => arrivals[slot]!,
    begunAtMs: slot => beginnings[slot]!,
    markBegun(slot, begunAtMs) {
      beginnings[slot] = begunAtMs;
    },
    release(slot) {
      // A freed slot carries a generation that no ticket has had yet: stale tickets no longer match it.
      generations[slot] = generations[slot]! + 1;
      nextFree[slot] = firstFree;
      firstFree = slot;
    },
  };
}

function copyInto<Numbers extends { set(source: Numbers): void }>(
  larger: Numbers,
  smaller: Numbers,
): Numbers {
  larger.set(smaller);
  return larger;
}
