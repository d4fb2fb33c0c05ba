import { z } from 'zod';
import { pointerStep } from '../json-pointer.ts';
import type { Desired, GatewayState } from './driver.ts';
import { type KubernetesOptions, type PatchOperation, RefusedByKubernetes } from './kubernetes-api.ts';
import type { Places } from './places.ts';
import { apportioned } from './shares.ts';

/*
 * A route as one rule of an HTTPRoute (Gateway API), an AIGatewayRoute (Envoy AI Gateway) or a VirtualService (Istio).
 * What it was told last stands in an annotation of the object, by route. Pure: objects in, JSON patches out.
 */

/** A rule at one moment. */
export interface KubernetesRule {
  readonly where: string;
  readonly resourceVersion: string;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** JSON pointer to the list of backends. */
  readonly path: string;
  readonly backends: readonly KubernetesBackend[];
  /** What this route was told last; absent when it was told nothing. */
  readonly told?: Told;
  /** Why whoever makes traffic of the object does not do so with what it holds now. */
  readonly problems: readonly string[];
}

export interface KubernetesBackend {
  readonly name: string;
  readonly weight: number;
  /** Of an AIGatewayRoute: weights count only among equals. */
  readonly priority: number;
}

type Told = z.output<typeof note>;

/**
 * @throws RefusedByKubernetes when the object has no such rule
 * @throws Error when it is no object of its kind
 */
export function ruleIn(object: unknown, options: KubernetesOptions, route: string): KubernetesRule {
  const { resource, namespace, name = route, rule } = options;
  const where = `the rule ${rule} of ${resource} ${namespace}/${name}`;
  const { metadata, spec, status } = objects.parse(object);
  const [list, backends] = places[resource];
  const all = spec[list] ?? [];
  const index = typeof rule === 'number' ? rule : all.findIndex(each => each.name === rule);
  if (!all[index])
    throw new RefusedByKubernetes(
      `${where} is not there; it has: ${all.map((each, i) => each.name ?? i).join(', ')}. Name the right one as driver.rule`,
    );
  const told = notesIn(metadata.annotations)[route];
  return {
    where,
    resourceVersion: metadata.resourceVersion,
    annotations: metadata.annotations,
    path: `/spec/${list}/${index}/${backends}`,
    backends: all[index][backends] ?? [],
    ...(told && { told }),
    problems: problemsOf(resource, metadata.generation, status),
  };
}

/** The shares that the weights come to, and the generation that this route was told last. */
export function stateOf({ backends, told }: KubernetesRule, { modelOf }: Places): GatewayState {
  const shares = apportioned(
    10_000,
    backends.map(({ weight }) => weight),
  );
  const anybody = shares.some(share => share > 0);
  const weights = Object.fromEntries(backends.map(({ name }, index) => [modelOf(name), shares[index]!]));
  return { weights: anybody ? weights : {}, ...(told && { generation: told.generation }) };
}

/** The targets' backends whose weight is not what it should be. */
export const stillOpen = ({ backends }: KubernetesRule, { weights }: Desired, { modelOf }: Places) =>
  backends.filter(({ name, weight }) => (weights[modelOf(name)] ?? 0) !== weight);

/** Why the rule cannot hold these weights, and what to do about it. */
export function unfit(
  { backends }: KubernetesRule,
  { weights }: Desired,
  { namesOf, modelOf }: Places,
): string | undefined {
  const names = backends.map(({ name }) => name);
  const missing = Object.keys(weights)
    .flatMap(namesOf)
    .filter(name => !names.includes(name));
  if (missing.length > 0)
    return `has no backend "${missing.join('", "')}"; it has: ${names.join(', ')}. Add it, or name the right one under driver.backends`;
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `has the backend "${twice}" twice. Leave one of them`;
  const targets = backends.filter(({ name }) => Object.hasOwn(weights, modelOf(name)));
  const strange = backends.find(each => !targets.includes(each) && each.weight !== 0);
  if (strange)
    return `gives weight ${strange.weight} to "${strange.name}", which stands for no target. Name it under driver.backends, or give it weight 0`;
  if (new Set(targets.map(({ priority }) => priority)).size > 1)
    return 'gives its backends different priorities, and weights count only among equals. Take priority from them';
  return undefined;
}

/** Weights and note in one request, which only goes in while the object is as it was read. */
export function patchFor(
  { resourceVersion, annotations, path, backends }: KubernetesRule,
  route: string,
  desired: Desired,
  { modelOf }: Places,
): readonly PatchOperation[] {
  const { generation, weights } = desired;
  const notes = JSON.stringify({ ...notesIn(annotations), [route]: { generation, weights } });
  const changes = backends.flatMap(({ name }, index): PatchOperation[] => {
    const value = weights[modelOf(name)];
    return value === undefined ? [] : [{ op: 'add', path: `${path}/${index}/weight`, value }];
  });
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: resourceVersion },
    ...(annotations ? [] : [{ op: 'add', path: '/metadata/annotations', value: {} } as const]),
    { op: 'add', path: `/metadata/annotations/${pointerStep(noteName)}`, value: notes },
    ...changes,
  ];
}

const noteName = 'relaycore/routes';

const note = z.object({ generation: z.int().min(0), weights: z.record(z.string(), z.int().min(0)) });

/** Where each kind keeps its rules, and a rule its backends. */
const places = {
  HTTPRoute: ['rules', 'backendRefs'],
  AIGatewayRoute: ['rules', 'backendRefs'],
  VirtualService: ['http', 'route'],
} as const;

const weight = z.int().min(0).optional();

const backendRef = z
  .object({ name: z.string(), weight, priority: z.int().default(0) })
  .transform((each): KubernetesBackend => ({ ...each, weight: each.weight ?? 1 }));

/** Of several destinations one without weight gets nothing; one alone gets everything. */
const destinations = z
  .array(z.object({ destination: z.object({ host: z.string(), subset: z.string().optional() }), weight }))
  .transform(all =>
    all.map(
      ({ destination: { host, subset }, weight = all.length === 1 ? 1 : 0 }): KubernetesBackend => ({
        name: subset ?? host,
        weight,
        priority: 0,
      }),
    ),
  );

const rules = z
  .array(
    z.object({
      name: z.string().optional(),
      backendRefs: z.array(backendRef).optional(),
      route: destinations.optional(),
    }),
  )
  .optional();

const conditions = z
  .array(
    z.object({
      type: z.string(),
      status: z.string(),
      observedGeneration: z.coerce.number().optional(),
      reason: z.string().default(''),
      message: z.string().default(''),
    }),
  )
  .default([]);

const objects = z.object({
  metadata: z.object({
    resourceVersion: z.string(),
    generation: z.int().default(0),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.object({ rules, http: rules }),
  status: z.object({ conditions, parents: z.array(z.object({ conditions })).default([]) }).prefault({}),
});

/** Somebody may have written anything there; then nothing was told. */
function notesIn(annotations: Readonly<Record<string, string>> = {}): Readonly<Record<string, Told>> {
  try {
    return z.record(z.string(), note).parse(JSON.parse(annotations[noteName] ?? '{}'));
  } catch {
    return {};
  }
}

type Status = z.output<typeof objects>['status'];
type Condition = Status['conditions'][number];

/**
 * The gateways say of an HTTPRoute one by one whether they have taken it, the controller of an AIGatewayRoute for all of
 * them and without saying which generation it means. Istio says something only where it was set up to.
 */
function problemsOf(resource: KubernetesOptions['resource'], generation: number, status: Status): string[] {
  switch (resource) {
    case 'HTTPRoute':
      if (status.parents.length === 0) return ['no gateway has taken it yet'];
      return status.parents.flatMap(parent => unmet(parent.conditions, generation, ['Accepted']));
    case 'AIGatewayRoute':
      return unmet(status.conditions, generation, ['Accepted']);
    case 'VirtualService':
      return unmet(status.conditions, generation, []);
  }
}

function unmet(conditions: readonly Condition[], generation: number, needed: readonly string[]): string[] {
  const missing = needed.filter(type => !conditions.some(condition => condition.type === type));
  const open = conditions.flatMap(({ type, status, observedGeneration, reason, message }) => {
    if (!good.has(type)) return [];
    if (observedGeneration !== undefined && observedGeneration < generation)
      return [`${type} is said of generation ${observedGeneration} of the object, not yet of ${generation}`];
    return status === good.get(type) ? [] : [`${type} is ${status} (${reason}: ${message})`];
  });
  return [...missing.map(type => `nobody says that it is ${type}`), ...open];
}

const good = new Map([
  ['Accepted', 'True'],
  ['ResolvedRefs', 'True'],
  ['Programmed', 'True'],
  ['Reconciled', 'True'],
  ['NotAccepted', 'never'],
  ['PartiallyInvalid', 'False'],
]);
