import type { z } from 'zod';
import { policyJsonSchema } from './schema.ts';

/** One thing wrong with a policy: where, what, and what to do about it. */
export interface Problem {
  /** Dotted path in the file, for example `routes.chat.targets.1`; `(file)` when the text itself cannot be read. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(({ path, message, remedy }) => `${path}: ${message}\n    ${remedy}`).join('\n');
}

/** What zod found, in the words of this project. */
export function problemsOf(error: z.ZodError): Problem[] {
  return error.issues.flatMap(issue => problemsOfIssue(issue, []));
}

function problemsOfIssue(issue: z.core.$ZodIssue, parent: readonly PropertyKey[]): Problem[] {
  const path = [...parent, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => unknownKey([...path, key]));
    case 'invalid_union': {
      const closest = issue.errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
      if (closest && closest.length > 0 && depth(closest) > 0)
        return closest.flatMap(inner => problemsOfIssue(inner, path));
      return [
        {
          path: show(path),
          message: issue.input === undefined ? 'is missing' : 'is none of the accepted forms',
          remedy: remedyAt(path),
        },
      ];
    }
    case 'invalid_key':
      return [
        {
          path: show(path),
          message: 'is not a usable name',
          remedy: `use ${namesAt(path)} characters`,
        },
      ];
    default:
      return [{ path: show(path), message: sentence(issue.message), remedy: remedyAt(path) }];
  }
}

/** What the keys of the mapping around that place may be made of. */
function namesAt(path: readonly PropertyKey[]): string {
  const names = schemasAt(path.slice(0, -1)).flatMap(node => node.propertyNames ?? []);
  return names[0]?.description ?? 'letters and digits';
}

const depth = (issues: readonly z.core.$ZodIssue[]) => Math.max(0, ...issues.map(issue => issue.path.length));

function unknownKey(path: readonly PropertyKey[]): Problem {
  const key = String(path.at(-1));
  const known = schemasAt(path.slice(0, -1)).flatMap(node => Object.keys(node.properties ?? {}));
  const near = closestName(key, known);
  return {
    path: show(path),
    message: 'is not a key of the policy',
    remedy: near ? `did you mean "${near}"?` : `remove it, or use one of: ${known.join(', ')}`,
  };
}

/** The schema's own description of that place, with an example. */
function remedyAt(path: readonly PropertyKey[]): string {
  const nodes = schemasAt(path);
  const constants = nodes.flatMap(node => node.const ?? []);
  if (constants.length > 0) return `use one of: ${constants.join(', ')}`;
  const schema = nodes.find(node => node.description || node.properties || node.enum);
  if (!schema) return 'compare with the policy file that ships with the rules';
  const parts = [
    schema.description,
    schema.enum && `one of: ${schema.enum.join(', ')}`,
    schema.minimum !== undefined && schema.maximum !== undefined && Math.abs(schema.maximum) < 1e9
      ? `from ${schema.minimum} to ${schema.maximum}`
      : undefined,
    schema.examples && `for example ${JSON.stringify(schema.examples[0])}`,
    !schema.description &&
      schema.properties &&
      `give a mapping with keys among: ${Object.keys(schema.properties).join(', ')}`,
  ].filter(Boolean);
  return parts.length > 0 ? parts.join('; ') : 'compare with the policy file that ships with the rules';
}

interface SchemaNode {
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Record<string, SchemaNode>;
  readonly propertyNames?: SchemaNode;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

/** Made once, and only for a policy that has problems: a policy may have many. */
let jsonSchema: SchemaNode | undefined;

/** Every schema that may describe that place: a union has several. */
function schemasAt(path: readonly PropertyKey[]): SchemaNode[] {
  jsonSchema ??= policyJsonSchema();
  let nodes: SchemaNode[] = alternatives(jsonSchema);
  for (const step of path) nodes = nodes.flatMap(node => child(node, step)).flatMap(alternatives);
  return nodes;
}

const alternatives = (node: SchemaNode): SchemaNode[] => [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])];

function child(node: SchemaNode, step: PropertyKey): SchemaNode[] {
  if (typeof step === 'number') return node.items ? [node.items] : [];
  const named = node.properties?.[String(step)];
  if (named) return [named];
  return typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
}

/** A place in the file as people write it. */
export function show(path: readonly PropertyKey[]): string {
  return path.length === 0 ? '(file)' : path.map(step => String(step) || '""').join('.');
}

/** The known name within two edits of what was written. */
export function closestName(written: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map(name => ({ name, distance: editDistance(written.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(2, Math.floor(written.length / 4)) ? best.name : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

function sentence(message: string): string {
  return message
    .replace(/^Invalid input: expected (\w+), received undefined$/, 'is missing ($1 expected)')
    .replace(
      /^Invalid input: expected (\w+), received (\w+)$/,
      (_, expected: string, received: string) =>
        `is ${kindOf(received)}, but ${kindOf(expected)} is expected`,
    )
    .replace(
      /^Too small: expected (?:number|array|string|int) to (?:be|have) (.*)$/,
      'is too small: must be $1',
    )
    .replace(/^Too big: expected (?:number|array|string|int) to (?:be|have) (.*)$/, 'is too big: must be $1')
    .replace(/^Invalid option: expected one of (.*)$/, 'is none of $1')
    .replace(/^Invalid string: must match pattern .*$/, 'is not written in the expected form')
    .replace(/^Invalid string: must start with (.*)$/, 'does not start with $1')
    .replace(/^Invalid URL$/, 'is not an http or https address');
}

/** YAML's word for a kind of value, with its article. */
function kindOf(name: string): string {
  switch (name) {
    case 'null':
    case 'undefined':
      return 'empty';
    case 'object':
    case 'record':
      return 'a mapping';
    case 'array':
      return 'a list';
    case 'int':
      return 'a whole number';
    case 'boolean':
      return 'true or false';
    default:
      return `a ${name}`;
  }
}
