import {
  type Bytes,
  longestNumber,
  reserve,
  writeAgain,
  writeBytes,
  writeCharacter,
  writeFewBytes,
  writeNumber,
  writeText,
} from './bytes.ts';

/** One line of the page. Names and labels (`a="1",b="2"`) are UTF-8. */
export function writeSample(page: Bytes, name: Uint8Array, labels: Uint8Array, value: number): void {
  reserve(page, name.length + labels.length + longestNumber + punctuation);
  writeBytes(page, name);
  if (labels.length > 0) {
    writeCharacter(page, character.openBrace);
    writeBytes(page, labels);
    writeCharacter(page, character.closeBrace);
  }
  writeCharacter(page, character.space);
  writeNumber(page, value);
  writeCharacter(page, character.newline);
}

/** What all series of one histogram share on the page. */
export interface HistogramText {
  readonly bucket: Uint8Array;
  readonly count: Uint8Array;
  readonly sum: Uint8Array;
  /** What stands between the labels and the count of each bucket, the last of which has no edge. */
  readonly edges: readonly Uint8Array[];
  readonly longestEdge: number;
}

export function histogramText(name: string, edges: readonly number[]): HistogramText {
  const edgeTexts = [...edges.map(String), '+Inf'].map(edge => Buffer.from(`le="${edge}"} `));
  return {
    bucket: Buffer.from(`${name}_bucket`),
    count: Buffer.from(`${name}_count`),
    sum: Buffer.from(`${name}_sum`),
    edges: edgeTexts,
    longestEdge: Math.max(...edgeTexts.map(text => text.length)),
  };
}

export interface HistogramValue {
  readonly labels: Uint8Array;
  /** What was counted in each bucket alone, from `begin` on. */
  readonly counts: ArrayLike<number>;
  readonly begin: number;
  /** Undefined where the histogram keeps none. */
  readonly sum: number | undefined;
  /** What follows the count of a bucket, by where it is among the counts. */
  readonly after?: ((at: number) => string) | undefined;
}

/** The lines of one series of a histogram: on the page a bucket counts what the ones before it count, too. */
export function writeHistogram(page: Bytes, text: HistogramText, value: HistogramValue): void {
  const { labels, counts, begin, sum, after } = value;
  const longestLine = text.bucket.length + labels.length + text.longestEdge + longestNumber + punctuation;
  const from = page.length;
  let to = from;
  let count = 0;
  for (let bucket = 0; bucket < text.edges.length; bucket++) {
    reserve(page, longestLine);
    if (bucket > 0) writeAgain(page, from, to);
    else to = writeOpening(page, text.bucket, labels);
    writeFewBytes(page, text.edges[bucket]!);
    count += counts[begin + bucket]!;
    writeNumber(page, count);
    if (after !== undefined) writeText(page, after(begin + bucket));
    reserve(page, 1);
    writeCharacter(page, character.newline);
  }
  writeSample(page, text.count, labels, count);
  if (sum !== undefined) writeSample(page, text.sum, labels, sum);
}

/** Gives the place after it. */
function writeOpening(page: Bytes, name: Uint8Array, labels: Uint8Array): number {
  writeBytes(page, name);
  writeCharacter(page, character.openBrace);
  if (labels.length > 0) {
    writeBytes(page, labels);
    writeCharacter(page, character.comma);
  }
  return page.length;
}

const character = { newline: 0x0a, space: 0x20, comma: 0x2c, openBrace: 0x7b, closeBrace: 0x7d } as const;

/** More than a line has of braces, spaces and commas. */
const punctuation = 8;
