import { RE2JS } from 're2js';

/*
 * Expressions of a policy meet answers of a model, and neither is ours. JavaScript's own engine needs minutes for some
 * pairs of them, and which ones cannot be told from the expression with certainty. RE2 takes time linear in the text
 * for every expression that it accepts, and refuses the others (lookaround, backreferences) by name.
 */

/** Longer texts are looked at up to here. */
export const longestText = 10_000;

const compiled = new Map<string, RE2JS>();

export function expressionMatches(expression: string, text: string): boolean {
  const known = compiled.get(expression) ?? RE2JS.compile(expression);
  compiled.set(expression, known);
  return known.matcher(text.slice(0, longestText)).find();
}

/** Why an expression is none, when it is none. */
export function expressionError(expression: string): string | undefined {
  try {
    RE2JS.compile(expression);
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^error parsing regexp: /, '');
  }
}
