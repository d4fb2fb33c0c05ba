/** One line of a metrics page. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads a metrics page as far as this package writes it: no timestamps, no quotes inside label values. */
function parsePage(page: string): Sample[] {
  return page
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(parseSample);
}

/** The value of the one sample with this name and exactly these labels. */
export function sampleValue(
  page: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = parsePage(page).filter(sample => sample.name === name && sameLabels(sample.labels, labels));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only.value;
  throw new Error(`${found.length} samples of ${name}${JSON.stringify(labels)} in:\n${page}`);
}

/** The samples with this name that carry at least these labels. */
export function samplesOf(
  page: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Sample[] {
  const wanted = Object.entries(labels);
  return parsePage(page).filter(
    sample => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  );
}

function parseSample(line: string): Sample {
  const match = /^(?<name>[a-z_:][a-z0-9_:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/i.exec(line);
  if (match?.groups === undefined) throw new Error(`No sample: ${line}`);
  const pairs = [...(match.groups.labels ?? '').matchAll(/([a-z_][a-z0-9_]*)="([^"]*)"/g)];
  const labels = Object.fromEntries(pairs.map(([, label, value]) => [label, value]));
  return { name: match.groups.name ?? '', labels, value: Number(match.groups.value) };
}

function sameLabels(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every(name => left[name] === right[name]);
}
