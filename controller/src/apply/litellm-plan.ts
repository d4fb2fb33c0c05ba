import type { Desired, GatewayState } from './driver.ts';
import type { LitellmChange, LitellmDeployment, LitellmGroup } from './litellm-group.ts';
import type { Places } from './places.ts';
import { apportioned, sumOf } from './shares.ts';

/* How shares of a route and weights of deployments stand for each other. */

/** What each deployment that stands for a target is to hold. */
export interface Plan {
  readonly desired: Desired;
  readonly places: Places;
  readonly changes: ReadonlyMap<string, LitellmChange>;
}

/** A target's share is spread over its deployments, in whole numbers for all. */
export function plannedFor(desired: Desired, places: Places): Plan {
  const { weights, generation } = desired;
  const counts = Object.keys(weights).map(model => places.namesOf(model).length);
  const unit = counts.reduce(leastCommonMultiple, 1);
  const changes = Object.entries(weights).flatMap(([model, share]) =>
    places.namesOf(model).map((id, _, all): [string, LitellmChange] => {
      return [id, { weight: (share * unit) / all.length, note: { generation, share } }];
    }),
  );
  return { desired, places, changes: new Map(changes) };
}

/** The targets' deployments that do not hold what they should. */
export const stillOpen = ({ deployments }: LitellmGroup, plan: Plan) =>
  deployments.filter(deployment => {
    const change = plan.changes.get(deployment.id);
    return change && !(wasTold(deployment, plan) && deployment.weight === change.weight);
  });

export function wasTold({ id, told }: LitellmDeployment, { changes }: Plan): boolean {
  const { generation, share } = changes.get(id)?.note ?? {};
  return told !== undefined && told.generation === generation && told.share === share;
}

/**
 * What the group was told last, for the fence. Of a generation that only some deployments know yet, the others may
 * still be told.
 */
export function toldIn(held: LitellmGroup, { desired, places }: Plan): GatewayState {
  const { generation, weights } = stateOf(held, places);
  if (generation === undefined) return { weights };
  const latest = held.deployments.filter(({ told }) => told?.generation === generation);
  const shares = latest.map(({ id, told }) => [places.modelOf(id), told!.share] as const);
  return { generation, weights: { ...desired.weights, ...Object.fromEntries(shares) } };
}

/** The shares that the weights come to, and the latest generation that any deployment was told. */
export function stateOf({ deployments }: LitellmGroup, places: Places): GatewayState {
  const numbers = numbersOf(deployments);
  const models = [...new Set(deployments.map(({ id }) => places.modelOf(id)))];
  const shares = apportioned(
    10_000,
    models.map(model =>
      sumOf(numbers.filter((_, index) => places.modelOf(deployments[index]!.id) === model)),
    ),
  );
  const weights = Object.fromEntries(models.map((model, index) => [model, shares[index]!]));
  const generations = deployments.flatMap(({ told }) => told?.generation ?? []);
  return { weights, ...(generations.length > 0 && { generation: Math.max(...generations) }) };
}

/** LiteLLM goes by the first of these that any deployment has; without any of them all are alike. */
function numbersOf(deployments: readonly LitellmDeployment[]): readonly number[] {
  for (const measure of ['weight', 'rpm', 'tpm'] as const) {
    const numbers = deployments.map(deployment => deployment[measure] ?? 0);
    if (numbers.some(number => number > 0)) return numbers;
  }
  return deployments.map(() => 1);
}

/** Why the group cannot hold these weights, and what to do about it. */
export function unfit({ deployments }: LitellmGroup, { changes }: Plan): string | undefined {
  const targets = deployments.filter(({ id }) => changes.has(id));
  const missing = [...changes.keys()].filter(id => !targets.some(target => target.id === id));
  if (missing.length > 0)
    return `has no deployment "${missing.join('", "')}"; it has: ${idsOf(deployments)}. Add it, or name the right one under driver.deployments`;
  const strange = deployments.find(({ id, weight }) => !changes.has(id) && weight !== 0);
  if (strange)
    return `has the deployment "${strange.id}" with weight ${strange.weight ?? 'none'}, which stands for no target. Name it under driver.deployments, or give it weight 0`;
  const fixed = targets.filter(({ inDatabase }) => !inDatabase);
  if (fixed.length > 0)
    return `takes ${idsOf(fixed)} from its configuration file, where nobody can change it. Add it with POST /model/new instead`;
  if (new Set(targets.map(({ order }) => order)).size > 1)
    return 'puts its deployments in an order, and weights count only among equals. Take litellm_params.order from them';
  const carrying = targets.filter(({ id }) => changes.get(id)!.weight > 0);
  if (carrying.every(({ blocked }) => blocked))
    return `would have nobody left to serve: ${idsOf(carrying)} is paused. Unpause it first`;
  return undefined;
}

/** LiteLLM lists what changed last at the end. */
export const idsOf = (deployments: readonly LitellmDeployment[]) =>
  deployments
    .map(({ id }) => id)
    .sort()
    .join(', ');

const leastCommonMultiple = (a: number, b: number) => (a * b) / greatestCommonDivisor(a, b);

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
