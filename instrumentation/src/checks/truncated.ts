import type { Check } from './check.ts';
import { finishOf } from './finish.ts';

/**
 * 0 for an answer that the limit on tokens cut off. Where answers are `prose`, 0 too for one that does not end as prose
 * does, whatever reason was given; without a reason to stop and without prose it cannot tell.
 */
export function createTruncatedCheck({ prose }: { readonly prose: boolean }): Check {
  return answer => {
    const finish = finishOf(answer);
    if (finish === 'cut_off') return 0;
    const end = answer.text.slice(-lookedAt).trimEnd();
    if (prose && canTell.test(end)) return endsAsProse(end) ? 1 : 0;
    return finish === 'whole' ? 1 : undefined;
  };
}

const lookedAt = 1_024;
/** Thai, Lao, Khmer and Burmese end their sentences with a space, or not at all. */
const canTell = /[^\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]$/u;
/** Closing quotes, brackets, emphasis and emoji may follow. */
const sentenceEnd = /(?:[.!?…。！？．؟۔।;"”»’'`)\]}|>*_]|\p{Extended_Pictographic}\uFE0F?)$/u;
const listOrTable = /^\s*(?:[-*+•|#]|\d+[.)])/u;

function endsAsProse(end: string): boolean {
  const lines = end.split('\n');
  const last = lines.at(-1)!;
  return sentenceEnd.test(last) || listOrTable.test(last) || isSignature(lines.at(-2), last);
}

const longestSignature = 40;

/** The end of a letter: a short last line after an empty one, or after one that ends in a comma. */
function isSignature(before: string | undefined, last: string): boolean {
  return before !== undefined && /^\s*$|,\s*$/.test(before) && last.length <= longestSignature;
}
