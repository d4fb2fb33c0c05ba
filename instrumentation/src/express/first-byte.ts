import type { ServerResponse } from 'node:http';
import { replaceMethod } from '../stream.ts';

/** Tells once when the first byte of the body is written. Headers are none of it, and an empty body has none. */
export function onFirstByte(response: ServerResponse, tell: () => void): void {
  let told = false;
  for (const name of ['write', 'end'] as const) {
    const method = response[name];
    replaceMethod(response, name, (...given) => {
      if (!told && hasBytes(given[0])) {
        told = true;
        tell();
      }
      return Reflect.apply(method, response, given);
    });
  }
}

/** `write` and `end` take a text or bytes first; `end` also takes a callback, or nothing. */
function hasBytes(chunk: unknown): boolean {
  return (typeof chunk === 'string' || chunk instanceof Uint8Array) && chunk.length > 0;
}
