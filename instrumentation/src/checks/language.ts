import type { Answer, Check } from './check.ts';
import { type Language, languages, type Script, scripts } from './languages.ts';

/**
 * 0 for an answer that is in another language than asked for: in another script, or in words of another language of
 * the same one. It cannot tell of short answers, of code and data, and of a language that is not known here; near
 * relatives (Danish and Norwegian) it takes for each other. Throws an Error if `expected` is not known.
 */
export function createLanguageCheck(expected: string): Check {
  if (languageOf(expected) === undefined)
    throw new Error(
      `"${expected}" is no language it knows: give one of ${Object.keys(languages).join(', ')}`,
    );
  return answer => {
    const language = languageOf(answer.language ?? expected);
    const text = proseOf(answer);
    return language === undefined || text === undefined ? undefined : judge(text, language);
  };
}

/** `pt-BR` and `pt_BR` are Portuguese. */
function languageOf(tag: string): Language | undefined {
  const code = tag.toLowerCase().split(/[-_]/, 1)[0]!;
  return Object.hasOwn(languages, code) ? languages[code] : undefined;
}

const lookedAt = 4_096;
/** Of brackets and the like, in a text that is for people. */
const largestSymbolShare = 0.04;

/** The answer without code and addresses; undefined where it is code or data altogether. */
function proseOf(answer: Answer): string | undefined {
  const text = answer.text
    .slice(0, lookedAt)
    .replace(/```[^`]*(?:```|$)|`[^`\n]*`|https?:\/\/\S+/g, ' ')
    .trim();
  const symbols = text.match(/[{}[\]();=<>|\\$_]/g)?.length ?? 0;
  return /^[{[<]/.test(text) || symbols > largestSymbolShare * text.length ? undefined : text;
}

/** In letters; one of Chinese, Japanese or Korean says as much as several of others. */
const enoughLetters = 60;
const lettersOf: Partial<Record<Script, number>> = { han: 3, kana: 3, hangul: 3 };
/** Below it the text is in another script; names and terms in another one are common. */
const leastScriptShare = 0.3;

function judge(text: string, language: Language): number | undefined {
  const letters = countLetters(text);
  const all = Object.values(letters).reduce((sum, count) => sum + count, 0);
  if (all < enoughLetters) return undefined;
  if (shareOfScript(letters, language.script) / all < leastScriptShare) return 0;
  return language.words.size === 0 ? 1 : judgeByWords(text, language);
}

function countLetters(text: string): Record<Script, number> {
  const counts = {} as Record<Script, number>;
  for (const script of Object.keys(scripts) as Script[]) {
    const runs = text.match(scripts[script]) ?? [];
    counts[script] = runs.reduce((sum, run) => sum + run.length, 0) * (lettersOf[script] ?? 1);
  }
  return counts;
}

/** Japanese is kana among Han characters: these count with it once there are some. */
const leastKanaShare = 0.1;

function shareOfScript(letters: Readonly<Record<Script, number>>, script: Script): number {
  const isJapanese = letters.kana > leastKanaShare * letters.han;
  if (script === 'kana') return isJapanese ? letters.kana + letters.han : 0;
  return script === 'han' && isJapanese ? 0 : letters[script];
}

const enoughWords = 20;
/** Of the commonest words in a text of the other language, so that a list of names is none. */
const leastShareOfOther = 0.18;
/** One little word that both languages have says nothing, however often it is said. */
const leastDifferentOfOther = 5;
/** Relatives share words: half as many as the other's are still its own. */
const leastShareBesideOther = 0.5;

function judgeByWords(text: string, language: Language): number | undefined {
  const words =
    text
      .toLowerCase()
      .replaceAll('’', "'")
      .match(/[\p{L}\p{M}']+/gu) ?? [];
  if (words.length < enoughWords) return undefined;
  const own = shareOf(language, words);
  const isOther = (other: Language) => {
    const share = shareOf(other, words);
    return share >= leastShareOfOther && own < leastShareBesideOther * share && isVaried(other, words);
  };
  const others = Object.values(languages).filter(it => it !== language && it.script === language.script);
  if (others.some(isOther)) return 0;
  return own > 0 ? 1 : undefined;
}

function shareOf({ words }: Language, text: readonly string[]): number {
  return text.filter(word => words.has(word)).length / text.length;
}

function isVaried({ words }: Language, text: readonly string[]): boolean {
  return new Set(text.filter(word => words.has(word))).size >= leastDifferentOfOther;
}
