import { applyEdits, modify } from 'jsonc-parser';
import { z } from 'zod';
import { serving, type Weights } from '../types.ts';
import type { Desired, GatewayState } from './driver.ts';
import { apportioned } from './shares.ts';

/*
 * A route as a flag in flagd's flag definitions (flagd.dev/reference/flag-definitions): the variants are the targets,
 * `fractional` holds their weights, the metadata the generation. Every OpenFeature SDK with a flagd provider can
 * follow it. Pure: text in, text out.
 */

const flagSchema = z.looseObject({
  state: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  variants: z.record(z.string(), z.unknown()),
  defaultVariant: z.string().nullish(),
  targeting: z
    .union([
      z.strictObject({ fractional: z.array(z.tuple([z.string(), z.number().min(0)])).min(1) }),
      z.strictObject({}),
    ])
    .default({}),
  metadata: z.looseObject({ generation: z.int().min(0).optional() }).default({}),
});

const documentSchema = z.looseObject({ flags: z.record(z.string(), z.unknown()) });

type Flag = z.output<typeof flagSchema>;

/**
 * What the document says of a route; no weights when it says nothing.
 *
 * @throws Error when the text is no flag definition, or the flag has rules that are none of weights
 */
export function routeIn(text: string | undefined, route: string): GatewayState {
  const flag = flagIn(text, route);
  if (!flag || flag.state === 'DISABLED') return { weights: {}, ...generationOf(flag) };
  return { weights: weightsOf(flag), ...generationOf(flag) };
}

/**
 * The document with the route as desired. All else in it stays as it is, to the byte.
 *
 * @throws Error as `routeIn`, and when a target is missing among variants that say more than a name
 */
export function withRoute(text: string | undefined, route: string, desired: Desired): string {
  const flag = flagIn(text, route);
  const { weights, generation, reason } = desired;
  const next = {
    ...flag,
    state: 'ENABLED',
    variants: variantsFor(route, flag, Object.keys(weights)),
    defaultVariant: serving(weights),
    targeting: targetingFor(weights),
    metadata: { ...flag?.metadata, generation, reason },
  };
  const formattingOptions = { insertSpaces: true, tabSize: 2, insertFinalNewline: true };
  const document = text ?? '{\n  "$schema": "https://flagd.dev/schema/v0/flags.json",\n  "flags": {}\n}\n';
  return applyEdits(document, modify(document, ['flags', route], next, { formattingOptions }));
}

function flagIn(text: string | undefined, route: string): Flag | undefined {
  if (text === undefined) return undefined;
  const { flags } = parsed(documentSchema, asJson(text), 'the document has no "flags" by name');
  if (!Object.hasOwn(flags, route)) return undefined;
  const remedy = `the flag "${route}" is none of weights; give it another name, or take its targeting away`;
  return parsed(flagSchema, flags[route], remedy);
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error('the document is not JSON; correct it', { cause });
  }
}

function parsed<T extends z.ZodType>(schema: T, value: unknown, complaint: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`${complaint} (${[...issue!.path, issue!.message].join(' ')})`);
}

const generationOf = (flag: Flag | undefined) =>
  flag?.metadata.generation === undefined ? {} : { generation: flag.metadata.generation };

function weightsOf({ targeting, variants, defaultVariant }: Flag): Weights {
  const entries = 'fractional' in targeting ? targeting.fractional : [[defaultVariant ?? '', 1] as const];
  const shares = apportioned(
    10_000,
    entries.map(([, weight]) => weight),
  );
  const carried = new Map(entries.map(([variant], i) => [variant, shares[i]!]));
  const weights = Object.keys(variants).map(variant => [variant, carried.get(variant) ?? 0] as const);
  return weights.some(([, weight]) => weight > 0) ? Object.fromEntries(weights) : {};
}

/** In percent where that is exact: older evaluators want weights that add up to 100. */
function targetingFor(weights: Weights): z.input<typeof flagSchema>['targeting'] {
  const open = Object.entries(weights).filter(([, weight]) => weight > 0);
  if (open.length === 1) return {};
  const unit = open.every(([, weight]) => weight % 100 === 0) ? 100 : 1;
  return { fractional: open.map(([model, weight]) => [model, weight / unit]) };
}

/** Variants that are no more than names are kept complete; others have values that only people know. */
function variantsFor(route: string, flag: Flag | undefined, targets: readonly string[]): Flag['variants'] {
  const variants = flag?.variants ?? {};
  const missing = targets.filter(target => !Object.hasOwn(variants, target));
  if (missing.length > 0 && Object.entries(variants).some(([name, value]) => name !== value))
    throw new Error(
      `the flag "${route}" has no variant "${missing.join('", "')}"; it has: ${Object.keys(variants).join(', ')}. Add it with its value`,
    );
  return { ...variants, ...Object.fromEntries(missing.map(target => [target, target])) };
}
