import type { Counts } from '../types.ts';

/** Requests and badness of the recent past, in place: a tick writes two numbers and leaves no garbage. */
export interface Window {
  /** The evaluation window of the policy, in tenths of it. */
  readonly evaluation: Ring;
  /** Six hours, in half hours. */
  readonly longest: Ring;
}

/** Slots of equal length; the newest one is still being filled, so that the window is covered at any moment. */
interface Ring {
  readonly slotMs: number;
  /** Number of the newest slot since the epoch. */
  newest: number;
  /** Requests and badness of slot after slot. */
  readonly slots: number[];
}

const evaluationSlots = 10;
const longestMs = 6 * 3_600_000;
const halfHourMs = 30 * 60_000;

export const emptyWindow = (at: number, evaluationMs: number): Window => ({
  evaluation: emptyRing(at, evaluationMs / evaluationSlots, evaluationSlots),
  longest: emptyRing(at, halfHourMs, longestMs / halfHourMs),
});

const emptyRing = (at: number, slotMs: number, slots: number): Ring => ({
  slotMs,
  newest: slotOf(at, slotMs),
  slots: Array(2 * (slots + 1)).fill(0),
});

/** A tick tells of the time before it, so one that ends with a slot belongs to that slot. */
const slotOf = (at: number, slotMs: number) => Math.ceil(at / slotMs);

export function addToWindow({ evaluation, longest }: Window, at: number, added: Counts): void {
  addToRing(evaluation, at, added);
  addToRing(longest, at, added);
}

function addToRing(ring: Ring, at: number, { requests, bad }: Counts): void {
  turn(ring, at);
  const place = placeOf(ring, ring.newest);
  ring.slots[place]! += requests;
  ring.slots[place + 1]! += bad;
}

/** Empties the slots that begin between the newest and `at`. */
function turn(ring: Ring, at: number): void {
  const slot = slotOf(at, ring.slotMs);
  if (slot <= ring.newest) return;
  const passed = Math.min(slot - ring.newest, ring.slots.length / 2);
  for (let ago = 0; ago < passed; ago++) {
    const place = placeOf(ring, slot - ago);
    ring.slots[place] = 0;
    ring.slots[place + 1] = 0;
  }
  ring.newest = slot;
}

function placeOf({ slots }: Ring, slot: number): number {
  const place = slot % (slots.length / 2);
  return 2 * (place < 0 ? place + slots.length / 2 : place);
}

export const inEvaluation = ({ evaluation }: Window, at: number): Counts => countOf(evaluation, at);

/** Requests a second between two times. */
export interface Rate {
  readonly from: number;
  readonly perSecond: number;
}

/** In each tenth of the evaluation window, the newest first; the same tenths for every model. Half a tenth is enough. */
export function ratesOf({ evaluation }: Window, at: number): readonly Rate[] {
  const { slotMs, slots, newest } = evaluation;
  const slot = slotOf(at, slotMs);
  return Array.from({ length: slots.length / 2 }, (_, ago) => {
    const from = (slot - ago - 1) * slotMs;
    const requests = slot - ago > newest ? 0 : slots[placeOf(evaluation, slot - ago)]!;
    return { from, ms: Math.min(slotMs, at - from), requests };
  })
    .filter(({ ms }) => ms >= slotMs / 2)
    .map(({ from, ms, requests }) => ({ from, perSecond: requests / (ms / 1000) }));
}

/** Of the last half hour and what has begun of this one; of six hours. */
export const lately = ({ longest }: Window, at: number): Counts => countOf(longest, at, 2);
export const inSixHours = ({ longest }: Window, at: number): Counts => countOf(longest, at);

/** The newest `most` slots at that time. */
function countOf(ring: Ring, at: number, most = ring.slots.length / 2): Counts {
  const slot = slotOf(at, ring.slotMs);
  let requests = 0;
  let bad = 0;
  for (let ago = Math.max(0, slot - ring.newest); ago < most; ago++) {
    const place = placeOf(ring, slot - ago);
    requests += ring.slots[place]!;
    bad += ring.slots[place + 1]!;
  }
  return { requests, bad };
}

/** A quiet model is given six hours to show the minimum of requests, instead of being ignored all night. */
export function hasEnough(window: Window, at: number, minimum: number): boolean {
  return inSixHours(window, at).requests >= minimum;
}
