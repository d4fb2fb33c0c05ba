import type { Answer } from './check.ts';

/**
 * 1 − the share of the answer that says again what was said, where that share is one of a model in a loop; else 1. A
 * loop is an end that repeats one block letter for letter, or a text most of whose phrases came before. What is whole
 * JSON is no loop: a model that loops does not find its closing bracket.
 */
export function scoreRepetition({ text }: Answer): number {
  const end = text.slice(-lookedAt).trimEnd();
  const repeated = Math.max(loopedShare(end), phrasesShare(end));
  return repeated === 0 || isWholeJson(text) ? 1 : 1 - repeated;
}

const lookedAt = 8_192;
const longestJson = 65_536;

function isWholeJson(text: string): boolean {
  const start = text.slice(0, 1_024).trimStart();
  if (!(start.startsWith('[') || start.startsWith('{')) || text.length > longestJson) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const shortestLoop = 200;
const fewestRounds = 4;
const smallestLoopShare = 0.25;

/** How much of the text is the second and later rounds of a block that it ends with; 0 where it is no loop. */
function loopedShare(text: string): number {
  const { length, period } = longestPeriodicEnd(text);
  const isLoop = length >= shortestLoop && length >= smallestLoopShare * text.length;
  return isLoop ? (length - period) / text.length : 0;
}

/**
 * The longest end of the text that is a block said at least `fewestRounds` times; the first round may have lost its
 * beginning. By the prefix function of Knuth, Morris and Pratt on the reversed text, in linear time.
 */
function longestPeriodicEnd(text: string): { readonly length: number; readonly period: number } {
  const borders = new Int32Array(text.length);
  const at = (index: number) => text.charCodeAt(text.length - 1 - index);
  let longest = { length: 0, period: 0 };
  for (let index = 1; index < text.length; index++) {
    let border = borders[index - 1]!;
    while (border > 0 && at(index) !== at(border)) border = borders[border - 1]!;
    if (at(index) === at(border)) border += 1;
    borders[index] = border;
    const period = index + 1 - border;
    if (index + 1 >= fewestRounds * period) longest = { length: index + 1, period };
  }
  return longest;
}

const phraseWords = 6;
const fewestPhrases = 50;
/** Songs and tables stay below; everything said four times over is above. */
const smallestPhrasesShare = 0.75;

/** The share of phrases that came before; 0 where it is no loop. Han, kana and Thai have no spaces: a letter is a word. */
function phrasesShare(text: string): number {
  const words = text.match(word) ?? [];
  const phrases = words.length - phraseWords + 1;
  if (phrases < fewestPhrases) return 0;
  const hashes = words.map(hashOf);
  const seen = new Set<number>();
  for (let first = 0; first < phrases; first++) {
    let hash = 0;
    for (let next = 0; next < phraseWords; next++) hash = mix(hash, hashes[first + next]!);
    seen.add(hash);
  }
  const share = 1 - seen.size / phrases;
  return share >= smallestPhrasesShare ? share : 0;
}

const word = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}]+/gu;

function hashOf(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = mix(hash, text.charCodeAt(index));
  return hash;
}

/** One step of FNV-1a over 32 bits. */
function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193) ^ (hash >>> 15);
}
