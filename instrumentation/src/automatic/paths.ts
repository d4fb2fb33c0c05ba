import type { ModelIdentity } from '../model.ts';

/** Requests of which method and path are requests of which model. */
export interface ServedModel {
  /** `/v1/*`, or with a method other than POST in front: `GET /v1/*`. A `*` stands for any characters. */
  readonly path: string;
  readonly model: ModelIdentity;
}

/** Gives the first model that a request is for. */
export type FindServed = (method: string | undefined, url: string | undefined) => ModelIdentity | undefined;

/** Throws a TypeError that lists the paths that are none. */
export function findServed(served: readonly ServedModel[]): FindServed {
  const problems = served.flatMap(({ path }) => problemWithPath(path) ?? []);
  if (problems.length > 0) throw new TypeError(`The paths of requests are wrong:\n${problems.join('\n')}`);
  const patterns = served.map(({ path, model }) => ({ ...parsePath(path)!, model }));
  return (method, url = '') => {
    const path = url.split('?', 1)[0]!;
    return patterns.find(pattern => pattern.method === method && pattern.path.test(path))?.model;
  };
}

export function problemWithPath(path: string): string | undefined {
  if (parsePath(path) !== undefined) return undefined;
  return `- ${JSON.stringify(path)} is no path: write /v1/* or GET /v1/* (without a method, POST)`;
}

function parsePath(written: string): { readonly method: string; readonly path: RegExp } | undefined {
  const { method = 'POST', path } =
    /^(?:(?<method>[A-Z]+) +)?(?<path>\/[^\s?#]*)$/.exec(written)?.groups ?? {};
  if (path === undefined) return undefined;
  const literals = path.split('*').map(escapeLiteral);
  return { method, path: new RegExp(`^${literals.join('.*')}$`) };
}

/** RegExp.escape is younger than Node 22. */
function escapeLiteral(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
