import type { Answer } from './check.ts';

/**
 * 0 for an answer without anything to see (spaces, control and format characters, the replacement character), and for
 * what a template makes of a missing value.
 */
export function scoreEmpty({ text }: Answer): number {
  const start = text.slice(0, lookedAt);
  return visible.test(start) && !missingValue.test(start) ? 1 : 0;
}

const lookedAt = 16_384;
const visible = /[^\s\p{C}\uFFFD]/u;
const missingValue = /^\s*(?:undefined|\[object Object\])\s*$/;
