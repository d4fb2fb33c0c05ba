/**
 * A page that is being written, as bytes. Text that is joined from a page's pieces has to be flattened and encoded in
 * the end, which takes six times as long as all of this.
 */
export interface Bytes {
  buffer: Buffer;
  length: number;
}

const initialSize = 64 * 1024;

export function createBytes(): Bytes {
  return { buffer: Buffer.allocUnsafe(initialSize), length: 0 };
}

export function writtenBytes({ buffer, length }: Bytes): Buffer {
  return buffer.subarray(0, length);
}

/** Makes room: everything below writes only where there is some. */
export function reserve(page: Bytes, count: number): void {
  const needed = page.length + count;
  if (needed <= page.buffer.length) return;
  const larger = Buffer.allocUnsafe(Math.max(needed, page.buffer.length * 2));
  larger.set(page.buffer.subarray(0, page.length));
  page.buffer = larger;
}

export function writeText(page: Bytes, text: string): void {
  reserve(page, text.length * longestCharacter);
  page.length += page.buffer.write(text, page.length);
}

/** Bytes of UTF-8 that one unit of a string can become. */
const longestCharacter = 3;

/** Needs room for the bytes. */
export function writeBytes(page: Bytes, bytes: Uint8Array): void {
  page.buffer.set(bytes, page.length);
  page.length += bytes.length;
}

/** Needs room for the bytes: repeats what was written between two places of the page. */
export function writeAgain(page: Bytes, from: number, to: number): void {
  page.buffer.copyWithin(page.length, from, to);
  page.length += to - from;
}

/** Needs room for the bytes. For few of them it is faster than `writeBytes`. */
export function writeFewBytes(page: Bytes, bytes: Uint8Array): void {
  const { buffer, length } = page;
  for (let index = 0; index < bytes.length; index++) buffer[length + index] = bytes[index]!;
  page.length += bytes.length;
}

/** Needs room for it: one character of ASCII. */
export function writeCharacter(page: Bytes, code: number): void {
  page.buffer[page.length] = code;
  page.length += 1;
}

/** The longest a number gets, `-1.7976931348623157e+308`. */
export const longestNumber = 24;

/** Needs room for `longestNumber` bytes. */
export function writeNumber(page: Bytes, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER) writeCount(page, value);
  else page.length += page.buffer.write(numberText(value), page.length, 'latin1');
}

function writeCount(page: Bytes, count: number): void {
  let digits = 1;
  for (let power = 10; count >= power; power *= 10) digits += 1;
  page.length += digits;
  let rest = count;
  for (let at = page.length - 1, left = digits; left > 0; at--, left--) {
    const tens = Math.floor(rest / 10);
    page.buffer[at] = zero + (rest - tens * 10);
    rest = tens;
  }
}

const zero = 0x30;

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : `${value}`;
}
