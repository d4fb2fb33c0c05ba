/** One line of a page; `labels` is text such as `a="1",b="2"`. */
export function sampleLine(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}\n`;
}

export interface HistogramLines {
  readonly name: string;
  /** As `edgeTexts` gives them. */
  readonly edges: readonly string[];
  readonly labels: string;
  /** What was counted in each bucket alone, from `begin` on: one number more than there are edges. */
  readonly counts: ArrayLike<number>;
  readonly begin: number;
  /** Undefined where the histogram keeps none. */
  readonly sum: number | undefined;
  /** What follows the count of a bucket, by where it is among the counts. */
  readonly after?: (at: number) => string;
}

/** The lines of one histogram: on the page a bucket counts what the ones before it count, too. */
export function histogramLines({ name, edges, labels, counts, begin, sum, after }: HistogramLines): string {
  const opening = `${name}_bucket{${labels}${labels === '' ? '' : ','}`;
  let lines = '';
  let count = 0;
  for (let bucket = 0; bucket < edges.length; bucket++) {
    const at = begin + bucket;
    count += counts[at]!;
    lines += `${opening}${edges[bucket]}${count}${after === undefined ? '' : after(at)}\n`;
  }
  const total = sampleLine(`${name}_count`, labels, count);
  return lines + total + (sum === undefined ? '' : sampleLine(`${name}_sum`, labels, sum));
}

/** What stands between the labels and the count of each bucket, the last of which has no edge. */
export function edgeTexts(edges: readonly number[]): readonly string[] {
  return [...edges.map(String), '+Inf'].map(edge => `le="${edge}"} `);
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : `${value}`;
}
