import { styleText } from 'node:util';

/* How answers are set on a terminal. Colours only there, and not under NO_COLOR. */

type Format = Parameters<typeof styleText>[0];

const paint = (format: Format) => (text: string) => styleText(format, text, { stream: process.stdout });
export const bold = paint('bold');
export const dim = paint('dim');
export const red = paint('red');
const [yellow, green] = [paint('yellow'), paint('green')];

const colours: Readonly<Record<string, (text: string) => string>> = {
  healthy: green,
  warning: yellow,
  critical: red,
  unknown: yellow,
  failed: red,
  passed: green,
  primary: green,
  balanced: green,
  failed_over: red,
  probing: yellow,
  ramping: yellow,
  open: yellow,
};

/** A word in the colour of what it says. */
const coloured = (word: string) => colours[word]?.(word) ?? word;

export interface Row {
  readonly cells: readonly string[];
  /** Whole lines under the row. */
  readonly notes?: readonly string[];
}

/** Columns as wide as what is in them; names of columns in the first line. */
export function table(columns: readonly string[], rows: readonly Row[]): string {
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...rows.map(({ cells }) => cells[i]!.length)),
  );
  const line = (cells: readonly string[], set = (cell: string) => cell) =>
    cells
      .map((cell, i) => set(cell) + ' '.repeat(widths[i]! - cell.length))
      .join('  ')
      .trimEnd();
  return [
    bold(line(columns)),
    ...rows.flatMap(({ cells, notes = [] }) => [
      line(cells, coloured),
      ...notes.map(note => dim(indented(note))),
    ]),
  ].join('\n');
}

/** Wrapped to the width of the terminal, two spaces in. */
export function indented(text: string, width = Math.max(60, process.stdout.columns ?? 110)): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 3 <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${lines.length === 0 ? '  ' : '    '}${word}`);
  }
  return lines.join('\n');
}

/** What was asked for, as people read it or as programs do. */
export function print<Answer>(
  answer: Answer,
  { json }: { json?: boolean },
  words: (answer: Answer) => string,
) {
  console.log(json ? JSON.stringify(answer, null, 2) : words(answer));
}
