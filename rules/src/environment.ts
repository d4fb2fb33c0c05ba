import { type Problem, show } from './problems.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

const references = /\$\{([A-Z][A-Z0-9_]*)\}/g;

/** Puts the values of variables in place of `${NAME}`; those that are not set become problems. */
export function substitute(
  value: unknown,
  environment: Environment,
  path: readonly (string | number)[],
  missing: Problem[],
): unknown {
  if (typeof value === 'string')
    return value.replace(references, (written, name: string) => {
      const found = environment[name];
      if (found !== undefined) return found;
      missing.push({
        path: show(path),
        message: `uses ${written}, which is not set`,
        remedy: `set the environment variable ${name}, or write the value itself`,
      });
      return written;
    });
  if (Array.isArray(value))
    return value.map((item, index) => substitute(item, environment, [...path, index], missing));
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        substitute(item, environment, [...path, key], missing),
      ]),
    );
  return value;
}

/** The values that `${NAME}` stands for anywhere in this. */
export function secretsIn(written: unknown, environment: Environment): string[] {
  if (typeof written === 'string')
    return [...written.matchAll(references)].flatMap(([, name]) => environment[name!] || []);
  if (written === null || typeof written !== 'object') return [];
  return [...new Set(Object.values(written).flatMap(item => secretsIn(item, environment)))];
}

export const refersToEnvironment = (text: string) => text.search(references) >= 0;
