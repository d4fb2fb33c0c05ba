/** How well the answer of a target that got a copy agrees with the one that the caller got. */

import { isDeepStrictEqual } from 'node:util';
import { atPointer } from '../src/json-pointer.ts';

export interface ComparedAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Whole, and unpacked where `content-encoding` says that it was packed. */
  readonly body: Buffer;
}

/** A score in [0, 1], or undefined where the two say nothing about each other. Called for answers below 500 only. */
export type Compare = (live: ComparedAnswer, shadow: ComparedAnswer) => number | undefined;

/** 1 where status and text are the same, else 0. */
export function equalText(): Compare {
  return (live, shadow) => Number(live.status === shadow.status && live.body.equals(shadow.body));
}

/**
 * The share of these places whose JSON values are equal. A place that the caller's answer lacks is left out; without
 * any, as in an answer that is no JSON, there is no score.
 *
 * @param pointers where to look, such as `/label` (RFC 6901)
 */
export function equalJson(...pointers: readonly string[]): Compare {
  return (live, shadow) => {
    const [ours, theirs] = [jsonOf(live), jsonOf(shadow)];
    const wanted = pointers.filter(pointer => atPointer(ours, pointer) !== undefined);
    if (wanted.length === 0) return undefined;
    const equal = wanted.filter(pointer =>
      isDeepStrictEqual(atPointer(ours, pointer), atPointer(theirs, pointer)),
    );
    return equal.length / wanted.length;
  };
}

function jsonOf({ body }: ComparedAnswer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
