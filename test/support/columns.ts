/** Rows of a table as lines of equal columns: the first `textColumns` to the left, numbers to the right. */
export function inColumns(rows: readonly (readonly string[])[], textColumns: number): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  const padded = (cell: string, column: number) =>
    column < textColumns ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map(row => row.map(padded).join('  ').trimEnd());
}
