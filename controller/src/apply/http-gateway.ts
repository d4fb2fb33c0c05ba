import { type DriverConfig, isForEachTarget } from '@relaycore/rules';
import { atPointer } from '../json-pointer.ts';
import { serving, type Weights } from '../types.ts';
import type { Desired, GatewayState } from './driver.ts';
import { filledPointer, filledUrl, readJson, type Values, withoutQuery } from './http-requests.ts';
import { apportioned } from './shares.ts';

/*
 * How states of a route and numbers of a gateway stand for each other, by the templates of the policy.
 */

export type HttpOptions = Omit<Extract<DriverConfig, { kind: 'http' }>, 'kind'>;

/** What the gateway's numbers were at one moment, in the order of the targets. */
export interface Held {
  readonly where: string;
  readonly numbers: readonly (number | undefined)[];
  /** One for each target, as a gateway that is told target by target has them. */
  readonly generations: readonly (number | undefined)[];
}

/** Targets that are read at one address are read at once. */
export async function lookAt(
  options: HttpOptions,
  targets: readonly string[],
  route: string,
  signal: AbortSignal,
): Promise<Held> {
  const { names, read } = options;
  const places = targets.map(model => {
    const values = { route, model, name: names[model] ?? model };
    return { url: filledUrl(read.url, values), values };
  });
  const documents = new Map<string, unknown>();
  for (const { url } of places)
    if (!documents.has(url)) documents.set(url, await readJson(options, url, route, signal));
  const numbersAt = (pointer: string) =>
    places.map(({ url, values }) => numberAt(documents.get(url), filledPointer(pointer, values)));
  return {
    where: `the gateway at ${withoutQuery(places[0]!.url)}`,
    numbers: numbersAt(read.weight),
    generations: read.generation === undefined ? [] : numbersAt(read.generation),
  };
}

/** No weights when no target has one. */
export function stateOf({ numbers, generations }: Held, targets: readonly string[]): GatewayState {
  const shares = apportioned(
    10_000,
    numbers.map(number => number ?? 0),
  );
  const weights = shares.some(share => share > 0) ? byTarget(targets, shares) : {};
  const known = generations.filter(generation => generation !== undefined);
  return { weights, ...(known.length > 0 && { generation: Math.max(...known) }) };
}

/**
 * The same in the light of what is desired: the gateway holds it when its numbers are as close to it as its scale
 * allows, and all of its targets were told.
 */
export function stateFor(
  held: Held,
  desired: Desired,
  targets: readonly string[],
  scale: number,
): GatewayState {
  const { weights, generation } = stateOf(held, targets);
  const same = `${numbersFor(weights, targets, scale)}` === `${numbersFor(desired.weights, targets, scale)}`;
  const inPart = generation === desired.generation && held.generations.some(each => each !== generation);
  return {
    weights: same ? desired.weights : weights,
    ...(generation !== undefined && !inPart && { generation }),
  };
}

/** The values of one request, or of one a target; then the highest rise first, so that somebody always serves. */
export function valuesToWrite(
  { names, scale, write }: HttpOptions,
  targets: readonly string[],
  { route, desired, held }: { readonly route: string; readonly desired: Desired; readonly held: Held },
): readonly (Values & { readonly route: string })[] {
  const { weights, generation, reason } = desired;
  const nameOf = (model: string) => names[model] ?? model;
  const numbers = numbersFor(weights, targets, scale);
  const values = {
    ...{ route, generation, reason },
    target: nameOf(serving(weights)),
    weights: byTarget(targets.map(nameOf), numbers),
    ...byTarget(
      targets.map(model => `weight.${model}`),
      numbers,
    ),
  };
  if (!isForEachTarget([write.url, write.body ?? ''])) return [values];
  return targets
    .map((model, i) => ({ model, weight: numbers[i]!, rise: numbers[i]! - (held.numbers[i] ?? 0) }))
    .sort((a, b) => b.rise - a.rise)
    .map(({ model, weight }) => ({ ...values, model, name: nameOf(model), weight }));
}

const numbersFor = (weights: Weights, targets: readonly string[], scale: number) =>
  apportioned(
    scale,
    targets.map(model => weights[model] ?? 0),
  );

const byTarget = (names: readonly string[], numbers: readonly number[]) =>
  Object.fromEntries(names.map((name, i) => [name, numbers[i]!]));

/** Some gateways keep numbers as texts. */
function numberAt(document: unknown, pointer: string): number | undefined {
  const found = atPointer(document, pointer);
  const number = typeof found === 'string' && found.trim() !== '' ? Number(found) : found;
  return typeof number === 'number' && number >= 0 ? number : undefined;
}
