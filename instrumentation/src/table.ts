import { type MetricDefinition, metrics, prometheusLabel, prometheusName } from './metrics.ts';

/** The metrics as a Markdown table, as they stand on the metrics page; the README carries it. */
function renderMetricsTable(): string {
  const rows = [['metric', 'type', 'unit', 'labels', 'meaning'], ...Object.values(metrics).map(cellsOf)];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  const [head, ...body] = rows.map(row => joinCells(row.map((cell, column) => cell.padEnd(widths[column]!))));
  return [head, joinCells(widths.map(width => '-'.repeat(width))), ...body].join('\n');
}

/**
 * The text with the generated table between its two markers replaced.
 * @throws Error if the markers are missing
 */
export function replaceMetricsTable(readme: string): string {
  const start = readme.indexOf(startMarker);
  const end = readme.indexOf(endMarker);
  if (start === -1 || end < start) {
    throw new Error(
      `The README has no place for the table of metrics: put ${startMarker} and ${endMarker} there`,
    );
  }
  return `${readme.slice(0, start + startMarker.length)}\n${renderMetricsTable()}\n${readme.slice(end)}`;
}

const startMarker = '<!-- metrics: generated from src/metrics.ts -->';
const endMarker = '<!-- /metrics -->';

function cellsOf(metric: MetricDefinition): string[] {
  const labels = metric.attributes.map(attribute => `\`${prometheusLabel(attribute)}\``).join(', ');
  return [`\`${prometheusName(metric)}\``, metric.kind, metric.unit, labels, metric.description];
}

function joinCells(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
