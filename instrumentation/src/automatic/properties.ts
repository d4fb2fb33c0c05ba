/** The value at a path of properties, whatever is on the way; undefined where there is none. */
export function at(value: unknown, ...path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const name of path) {
    if (found === null || found === undefined) return undefined;
    found = (found as Readonly<Record<PropertyKey, unknown>>)[name];
  }
  return found;
}

export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === 'string' && found !== '' ? found : undefined;
}

export function numberAt(value: unknown, ...path: readonly string[]): number | undefined {
  const found = at(value, ...path);
  return typeof found === 'number' ? found : undefined;
}
