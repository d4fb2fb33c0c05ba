/** A route's state and the rules by which it may change. Pure: the same words for the contract and for the file. */

import type { Route } from './options.ts';

/** Basis points by model name. Every target of the route is named, and they sum to 10,000. */
export type Weights = Readonly<Record<string, number>>;

export interface RouteState {
  readonly route: string;
  readonly weights: Weights;
  readonly generation: number;
  /** ISO 8601, or null before the first change. */
  readonly updatedAt: string | null;
  /** As the change named it; null when it did not. */
  readonly updatedBy: string | null;
  readonly reason: string;
}

/** What a caller wants the route to be. Absolute, so that repeating it is harmless. */
export interface RouteChange {
  readonly weights: Weights;
  readonly generation: number;
  readonly reason: string;
  readonly updatedBy: string | null;
}

export type ChangeResult =
  | { readonly kind: 'changed'; readonly state: RouteState }
  | { readonly kind: 'unchanged'; readonly state: RouteState }
  | { readonly kind: 'stale'; readonly state: RouteState; readonly message: string };

export interface Problem {
  readonly path: string;
  readonly message: string;
}

const fullWeight = 10_000;

/** Everything on the first target, generation 0, so that any change of a controller is newer. */
export function initialState({ name, targets }: Route): RouteState {
  const weights = Object.fromEntries(
    targets.map(({ model }, index) => [model, index === 0 ? fullWeight : 0]),
  );
  return { route: name, weights, generation: 0, updatedAt: null, updatedBy: null, reason: 'initial weights' };
}

/**
 * The fence. A state that is already there is reported as such, also when `ifMatch` names the one before it: the
 * caller repeats a change whose answer it lost (RFC 9110, section 13.1.1 allows this).
 *
 * @param ifMatch the entity tags of an If-Match header; undefined when there was none, or when it was `*`
 */
export function changeRoute(
  current: RouteState,
  change: RouteChange,
  ifMatch: readonly string[] | undefined,
  nowMs: number,
): ChangeResult {
  const same = sameWeights(current.weights, change.weights);
  if (change.generation === current.generation && same) return { kind: 'unchanged', state: current };
  const message = staleness(current, change, ifMatch);
  if (message !== undefined) return { kind: 'stale', state: current, message };
  const state = { ...change, route: current.route, updatedAt: new Date(nowMs).toISOString() };
  return { kind: 'changed', state };
}

function staleness(
  current: RouteState,
  change: RouteChange,
  ifMatch: readonly string[] | undefined,
): string | undefined {
  const here = `route "${current.route}" is at generation ${current.generation}`;
  const remedy = 'read the route and decide again';
  if (ifMatch && !ifMatch.includes(entityTag(current)))
    return `${here}, If-Match asks for ${ifMatch.join(', ') || 'nothing'}; ${remedy}`;
  if (change.generation < current.generation) return `${here}, ${change.generation} is older; ${remedy}`;
  if (change.generation === current.generation)
    return `${here} with other weights; ${remedy}, with a higher generation`;
  return undefined;
}

export function entityTag(state: RouteState): string {
  return `"${state.generation}"`;
}

/** The state as the contract and the file spell it. */
export function toWire(state: RouteState) {
  const { route, weights, generation, updatedAt, updatedBy, reason } = state;
  return { route, weights, generation, updated_at: updatedAt, updated_by: updatedBy, reason };
}

/** Reads `{ weights, generation, reason, updated_by? }`; targets that `weights` does not name get 0. */
export function parseChange(
  route: Route,
  body: unknown,
):
  | { readonly kind: 'valid'; readonly change: RouteChange }
  | { readonly kind: 'invalid'; readonly problems: Problem[] } {
  if (!isObject(body)) {
    const message = 'send a JSON object: { "weights": {…}, "generation": n, "reason": "…" }';
    return { kind: 'invalid', problems: [{ path: '', message }] };
  }
  const { weights, generation, reason, updated_by: updatedBy = null } = body;
  const problems = [
    ...weightProblems(route, weights),
    ...(isGeneration(generation)
      ? []
      : [{ path: 'generation', message: 'must be a whole number, 0 or more' }]),
    ...(isText(reason) ? [] : [{ path: 'reason', message: 'must say why, in 1 to 1,000 characters' }]),
    ...(updatedBy === null || isText(updatedBy)
      ? []
      : [{ path: 'updated_by', message: 'must name who, in 1 to 1,000 characters, or be left out' }]),
  ];
  if (problems.length > 0) return { kind: 'invalid', problems };
  const change = { weights: allTargets(route, weights), generation, reason, updatedBy } as RouteChange;
  return { kind: 'valid', change };
}

/**
 * Reads a state that `toWire` wrote. A target that has left the configuration is forgotten if it had no weight;
 * if it had one, the state is of no use any more.
 */
export function parseKeptState(
  route: Route,
  kept: unknown,
):
  | { readonly kind: 'valid'; readonly state: RouteState }
  | { readonly kind: 'invalid'; readonly problems: Problem[] } {
  const parsed = parseChange(route, withoutIdleStrangers(route, kept));
  if (parsed.kind === 'invalid') return parsed;
  const updatedAt = isObject(kept) && isText(kept.updated_at) ? kept.updated_at : null;
  return { kind: 'valid', state: { ...parsed.change, route: route.name, updatedAt } };
}

function withoutIdleStrangers(route: Route, kept: unknown): unknown {
  if (!isObject(kept) || !isObject(kept.weights)) return kept;
  const entries = Object.entries(kept.weights).filter(
    ([model, weight]) => isTarget(route, model) || weight !== 0,
  );
  return { ...kept, weights: Object.fromEntries(entries) };
}

function weightProblems(route: Route, weights: unknown): Problem[] {
  if (!isObject(weights))
    return [{ path: 'weights', message: `must be an object of basis points by model: ${modelsOf(route)}` }];
  const entries = Object.entries(weights);
  const each = entries.flatMap(([model, weight]) => [
    ...(isTarget(route, model)
      ? []
      : [
          {
            path: `weights.${model}`,
            message: `no target of this route; its targets are ${modelsOf(route)}`,
          },
        ]),
    ...(isWeight(weight)
      ? []
      : [{ path: `weights.${model}`, message: `must be a whole number from 0 to ${fullWeight}` }]),
  ]);
  return entries.every(([, weight]) => isWeight(weight)) ? [...each, ...sumProblems(weights)] : each;
}

function sumProblems(weights: Record<string, unknown>): Problem[] {
  const sum = Object.values(weights).reduce<number>((total, weight) => total + Number(weight), 0);
  if (sum === fullWeight) return [];
  if (sum === 0)
    return [{ path: 'weights', message: 'all are zero, so nothing would serve; give a target a weight' }];
  return [{ path: 'weights', message: `sum to ${sum}; they must sum to ${fullWeight} basis points` }];
}

/** Every target by name, in list order. Own entries only: a weight never comes from a prototype. */
function allTargets(route: Route, weights: unknown): Weights {
  const given = new Map(Object.entries(weights as Weights));
  return Object.fromEntries(route.targets.map(({ model }) => [model, given.get(model) ?? 0]));
}

function sameWeights(left: Weights, right: Weights): boolean {
  return Object.keys(left).every(model => left[model] === right[model]);
}

function isTarget(route: Route, model: string): boolean {
  return route.targets.some(target => target.model === model);
}

function modelsOf(route: Route): string {
  return route.targets.map(target => target.model).join(', ');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWeight(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= fullWeight;
}

function isGeneration(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && value.length <= 1_000;
}
