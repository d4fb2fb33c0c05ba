import { parser } from '@prometheus-io/lezer-promql';

/** A duration as PromQL writes it: 90 → `90s`, 600 → `10m`. */
export function duration(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  if (seconds % 60 === 0) return `${seconds / 60}m`;
  return Number.isInteger(seconds) ? `${seconds}s` : `${Math.round(seconds * 1000)}ms`;
}

/** Escapes a literal for use inside a regular expression matcher (RE2, anchored by Prometheus). */
export const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

/** A quoted PromQL string. */
export const quote = (text: string) => JSON.stringify(text);

export const anyOf = (names: readonly string[]) => quote(names.map(literal).join('|'));

/** Histograms carry the unit suffix or not, as the exporter pleases; counters are written with `_total` by all. */
export const histogramBuckets = (name: string) => `${literal(name)}(_seconds)?_bucket`;

/** The same two spellings as plain names. */
export const histogramSpellings = (name: string) => [`${name}_bucket`, `${name}_seconds_bucket`];

/** Prometheus 3 normalises `le="2"` to `2.0`; both are the same edge. */
export function edge(seconds: number): string {
  const written = literal(String(seconds));
  return Number.isInteger(seconds) ? `${written}(\\.0)?` : written;
}

/** The first syntax error of an expression, with its position, or undefined. */
export function syntaxError(expression: string): string | undefined {
  if (expression.trim() === '') return 'the expression is empty';
  let found: string | undefined;
  parser.parse(expression).iterate({
    enter: node => {
      if (!node.type.isError || found !== undefined) return;
      found = `at character ${node.from + 1}, near "${expression.slice(Math.max(0, node.from - 8), node.to + 8)}"`;
    },
  });
  return found;
}
