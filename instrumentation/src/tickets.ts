declare const ticketBrand: unique symbol;

/**
 * One open request: a slot and the slot's generation packed into a number, so that opening and ending a request
 * allocates nothing and a ticket used twice is noticed.
 */
export type Ticket = number & { readonly [ticketBrand]: true };

/** What a request gets when no slot is left; it belongs to nobody. */
export const noTicket = -1 as Ticket;

/** Slot and generation together stay below 2^31: a larger number would be an object on V8's heap. */
const slotBits = 16;
const slotMask = 2 ** slotBits - 1;
const lastGeneration = 2 ** (31 - slotBits) - 1;
const initialSlots = 256;
const endOfList = -1;

/** What is known of an open request: when it was at each of these. Where the moment's time is in the slot's row. */
export const moments = { arrived: 0, begun: 1, firstToken: 2, lastToken: 3, ended: 4 } as const;
export type Moment = (typeof moments)[keyof typeof moments];
const rowWidth = Object.keys(moments).length;

export interface TicketPool {
  /** Opens a request of this owner (a small whole number) that arrives now, or gives `noTicket` when the pool is full. */
  open(owner: number): Ticket;
  /** The slot of an open ticket of this owner; undefined if it ended already, is another's, or is no ticket. */
  find(ticket: Ticket, owner: number): number | undefined;
  /** In milliseconds, row by row; a larger array as requests come. Not a getter: V8 inlines no getters of objects. */
  times(): Float64Array;
  /** Where the time of the slot's moment is among `times`; NaN stands there until it is marked. */
  at(slot: number, moment: Moment): number;
  /** The moment is now. */
  mark(slot: number, moment: Moment): void;
  isMarked(slot: number, moment: Moment): boolean;
  tokenCount(slot: number): number;
  addTokens(slot: number, count: number): void;
  /** Ends the slot's ticket and frees the slot. */
  release(slot: number): void;
}

/**
 * Writes the time of a clock that never goes back, in milliseconds, to that place of the array: a number with a fraction
 * that a function returns can cost an object.
 */
export type Clock = (times: Float64Array, at: number) => void;

export interface TicketPoolOptions {
  readonly clock: Clock;
  /** Requests open at once; beyond it something leaks tickets, and memory must not follow. */
  readonly maximumSlots?: number;
}

export function createTicketPool({ clock, maximumSlots = slotMask + 1 }: TicketPoolOptions): TicketPool {
  let times = new Float64Array(0);
  let generations = new Uint16Array(0);
  let owners = new Uint16Array(0);
  let tokenCounts = new Float64Array(0);
  let nextFree = new Int32Array(0);
  let firstFree = endOfList;
  let lastFree = endOfList;

  function grow(): void {
    const before = generations.length;
    const after = Math.min(maximumSlots, Math.max(initialSlots, before * 2));
    times = copyInto(new Float64Array(after * rowWidth), times);
    // From 1, so that no ticket is 0, which `null` and `false` would pass for.
    generations = copyInto(new Uint16Array(after).fill(1), generations);
    owners = copyInto(new Uint16Array(after), owners);
    tokenCounts = copyInto(new Float64Array(after), tokenCounts);
    nextFree = copyInto(new Int32Array(after), nextFree);
    for (let slot = before; slot < after; slot++) appendFree(slot);
  }

  /** Freed slots queue up: a ticket's number comes back only after eight million others. */
  function appendFree(slot: number): void {
    nextFree[slot] = endOfList;
    if (firstFree === endOfList) firstFree = slot;
    else nextFree[lastFree] = slot;
    lastFree = slot;
  }

  return {
    open(owner) {
      if (firstFree === endOfList && generations.length < maximumSlots) grow();
      if (firstFree === endOfList) return noTicket;
      const slot = firstFree;
      firstFree = nextFree[slot]!;
      owners[slot] = owner;
      tokenCounts[slot] = 0;
      const row = slot * rowWidth;
      for (let moment = 0; moment < rowWidth; moment++) times[row + moment] = Number.NaN;
      clock(times, row);
      return ((generations[slot]! << slotBits) | slot) as Ticket;
    },
    find(ticket, owner) {
      const slot = ticket & slotMask;
      const isOpen =
        (ticket | 0) === ticket && generations[slot] === ticket >> slotBits && owners[slot] === owner;
      return isOpen ? slot : undefined;
    },
    times: () => times,
    at: (slot, moment) => slot * rowWidth + moment,
    mark(slot, moment) {
      clock(times, slot * rowWidth + moment);
    },
    isMarked: (slot, moment) => !Number.isNaN(times[slot * rowWidth + moment]),
    tokenCount: slot => tokenCounts[slot]!,
    addTokens(slot, count) {
      tokenCounts[slot]! += count;
    },
    release(slot) {
      // A freed slot carries a generation that its last tickets have not had: stale ones no longer match it.
      generations[slot] = generations[slot] === lastGeneration ? 1 : generations[slot]! + 1;
      appendFree(slot);
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
