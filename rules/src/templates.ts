/*
 * `{{name}}` in the texts of the http driver. A policy with a name that stands for nothing is refused, so that filling
 * in never meets one.
 */

/** What is true of the whole route; also `weight.MODEL` of each target. */
export const routePlaceholders = ['route', 'generation', 'reason', 'target', 'weights'] as const;

/** What differs from target to target: a request that has one of them is sent once for each. */
export const targetPlaceholders = ['model', 'name', 'weight'] as const;

const placeholder = /\{\{\s*([^{}]*?)\s*\}\}/g;

/** The names in the order in which they stand. */
export function placeholdersIn(template: string): readonly string[] {
  return [...template.matchAll(placeholder)].map(([, name]) => name!);
}

export function fillTemplate(template: string, meaning: (name: string) => string): string {
  return template.replace(placeholder, (_, name: string) => meaning(name));
}

/** Whether something opens and does not close. */
export function leavesOpen(template: string): boolean {
  return template.replace(placeholder, '').includes('{{');
}

export function isForEachTarget(templates: readonly string[]): boolean {
  return templates
    .flatMap(placeholdersIn)
    .some(name => (targetPlaceholders as readonly string[]).includes(name));
}
