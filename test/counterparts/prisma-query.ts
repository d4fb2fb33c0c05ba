/*
 * Prisma's two protocols: its Python client asks in GraphQL, its engine for WebAssembly answers JSON. The GraphQL of that
 * client has one field, arguments and a selection, and nothing else of the language.
 */

/** A query of Prisma's JSON protocol. */
export interface JsonQuery {
  readonly modelName?: string;
  readonly action: string;
  readonly query: { readonly arguments: Tree; readonly selection: Tree };
}

interface Tree {
  readonly [name: string]: unknown;
}

const actions =
  /^(findUniqueOrThrow|findUnique|findFirstOrThrow|findFirst|findMany|createOne|createMany|updateOne|updateMany|deleteOne|deleteMany|upsertOne|aggregate|groupBy|queryRaw|executeRaw)(.*)$/;

/** @throws Error when the text is no query of the client */
export function jsonQueryOf(graphql: string): JsonQuery {
  const read = readerOf(graphql);
  read.take(/query|mutation/);
  read.take(/\{/);
  read.take(/result/);
  read.take(/:/);
  const method = read.take(/\w+/);
  const [, action, modelName] = actions.exec(method) ?? [];
  if (action === undefined) throw new Error(`"${method}" is no method of Prisma's that this engine knows`);
  const query = field(read);
  return { ...(modelName && { modelName }), action, query };
}

/** The value of a result in the JSON protocol as the client knows it: without the tags that say its type. */
export function untagged(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untagged);
  if (value === null || typeof value !== 'object') return value;
  if ('$type' in value && 'value' in value)
    return value.$type === 'Json' ? JSON.parse(String(value.value)) : value.value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, untagged(each)]));
}

interface Reader {
  /** Whether this comes next, behind white space and commas. */
  sees(pattern: RegExp): boolean;
  take(pattern: RegExp): string;
}

function readerOf(text: string): Reader {
  let at = 0;
  const next = (pattern: RegExp): string | undefined => {
    at += /^[\s,]*/.exec(text.slice(at))![0].length;
    return new RegExp(`^(?:${pattern.source})`).exec(text.slice(at))?.[0];
  };
  return {
    sees: pattern => next(pattern) !== undefined,
    take(pattern) {
      const found = next(pattern);
      if (found === undefined)
        throw new Error(`expected ${pattern.source} at "${text.slice(at, at + 60)}" of the query ${text}`);
      at += found.length;
      return found;
    },
  };
}

/** Arguments and selection, as far as they are there. Without a selection all scalars are wanted. */
function field(read: Reader): JsonQuery['query'] {
  const args = read.sees(/\(/) ? pairs(read, /\(/, /\)/) : {};
  if (!read.sees(/\{/)) return { arguments: args, selection: {} };
  read.take(/\{/);
  const selection: Record<string, unknown> = {};
  while (!read.sees(/\}/)) {
    const name = read.take(/\w+/);
    selection[name] = read.sees(/[({]/) ? field(read) : true;
  }
  read.take(/\}/);
  return { arguments: args, selection };
}

function pairs(read: Reader, open: RegExp, close: RegExp): Tree {
  read.take(open);
  const found: Record<string, unknown> = {};
  while (!read.sees(close)) {
    const name = read.take(/\w+/);
    read.take(/:/);
    found[name] = valueIn(read);
  }
  read.take(close);
  return found;
}

function valueIn(read: Reader): unknown {
  if (read.sees(/\{/)) return pairs(read, /\{/, /\}/);
  if (read.sees(/\[/)) {
    read.take(/\[/);
    const items = [];
    while (!read.sees(/\]/)) items.push(valueIn(read));
    read.take(/\]/);
    return items;
  }
  if (read.sees(/"/)) return JSON.parse(read.take(/"(?:[^"\\]|\\.)*"/));
  const word = read.take(/[-+\w.]+/);
  return /^(true|false|null|-?[\d.]+(e[-+]?\d+)?)$/i.test(word) ? JSON.parse(word) : word;
}
