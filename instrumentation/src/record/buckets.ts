/** Where the numbers of a histogram's buckets are, prepared so that a value finds its bucket without a search. */
export interface Buckets {
  /** Upper, inclusive edges in ascending order, then infinity. */
  readonly edges: Float64Array;
  /** The lowest bucket of all doubles that share their exponent and the next two bits. */
  readonly lowest: Uint16Array;
}

/** @param edges in ascending order */
export function createBuckets(edges: readonly number[]): Buckets {
  const lowest = new Uint16Array(2 ** keyBits);
  let bucket = 0;
  for (let key = 0; key < lowest.length; key++) {
    const smallest = smallestWithKey(key);
    while (bucket < edges.length && smallest > edges[bucket]!) bucket += 1;
    lowest[key] = bucket;
  }
  return { edges: Float64Array.of(...edges, Number.POSITIVE_INFINITY), lowest };
}

/**
 * The value that is to be recorded. It stands here instead of being an argument, because V8 makes an object of a number
 * with a fraction that is passed to a function which it has not inlined.
 */
export const measured = Float64Array.of(1);

/**
 * The bucket of the measured value, which is finite and not negative. A binary search mispredicts half of its branches
 * on real durations and takes twice as long.
 */
export function bucketOfMeasured({ edges, lowest }: Buckets): number {
  // Without the sign, which -0 has too.
  let bucket = lowest[(words[highWord]! & 0x7fff_ffff) >>> droppedBits]!;
  while (measured[0]! > edges[bucket]!) bucket += 1;
  return bucket;
}

/** The sign, which is always 0, the eleven bits of the exponent and the two highest of the fraction. */
const keyBits = 13;
const droppedBits = 31 - keyBits;

const words = new Uint32Array(measured.buffer);
/** 1 is 0x3ff0000000000000: the word that is not zero is the high one, whatever the machine's byte order. */
const highWord = words[1] === 0 ? 0 : 1;

function smallestWithKey(key: number): number {
  words.fill(0);
  words[highWord] = key << droppedBits;
  // The last keys are those of infinity and NaN.
  return Number.isNaN(measured[0]) ? Number.POSITIVE_INFINITY : measured[0]!;
}
