/** RFC 6901. */
export function atPointer(document: unknown, pointer: string): unknown {
  let place = document;
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    // What every object inherits is not in the document.
    if (place === null || typeof place !== 'object' || !Object.hasOwn(place, key)) return undefined;
    place = (place as Record<string, unknown>)[key];
  }
  return place;
}

/** A name as one step of a pointer. */
export const pointerStep = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1');
