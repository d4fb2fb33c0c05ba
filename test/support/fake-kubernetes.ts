import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/**
 * The API server of Kubernetes, as far as custom objects can be read and patched (RFC 6902), and a gateway behind it
 * that says in their status what it has taken.
 */
export interface FakeKubernetes {
  readonly listener: RequestListener;
  /** What becomes of patches from now on. */
  trouble?: 'fails though applied' | 'answers though dropped' | 'conflicts' | 'fails' | 'hangs' | undefined;
  /** Called once, when the next patch has come and before it is looked at. */
  beforePatch?: (() => void) | undefined;
  /** So often an object is read before the gateway has seen its last change. */
  gatewayLag: number;
  /** What the gateway says of every object. */
  conditions: readonly FakeCondition[];
  /** Every patch that came. */
  readonly patches: string[];
  create(path: string, spec: object): void;
  /** The object, to look at. */
  object(path: string): FakeObject;
  /** Changes an object as a person would. */
  edit(path: string, change: (object: FakeObject) => void): void;
}

export interface FakeCondition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
  /** Not every controller says which generation of the object it means. */
  readonly observedGeneration?: number;
}

export interface FakeObject {
  metadata: {
    name: string;
    resourceVersion: string;
    generation: number;
    annotations?: Record<string, string>;
  };
  spec: object;
  status: object;
}

interface Operation {
  readonly op: 'test' | 'add' | 'replace';
  readonly path: string;
  readonly value: unknown;
}

export function createFakeKubernetes(token: string): FakeKubernetes {
  const cluster = emptyCluster(() => fake);

  function patch(path: string, body: string, response: ServerResponse) {
    fake.patches.push(body);
    fake.beforePatch?.();
    fake.beforePatch = undefined;
    if (fake.trouble === 'hangs') return;
    if (fake.trouble === 'conflicts')
      return refuse(response, 409, 'Conflict', 'the object has been modified');
    const after = structuredClone(cluster.object(path)!);
    const problem = applied(after, JSON.parse(body)) ?? invalidIn(after);
    if (problem !== undefined) return refuse(response, 422, 'Invalid', problem);
    if (fake.trouble === undefined || fake.trouble === 'fails though applied') cluster.replace(path, after);
    if (fake.trouble?.startsWith('fails'))
      return refuse(response, 500, 'InternalError', 'etcdserver: request timed out');
    answer(response, 200, cluster.shown(path));
  }

  const fake: FakeKubernetes = {
    gatewayLag: 0,
    conditions: [
      { type: 'Accepted', status: 'True' },
      { type: 'ResolvedRefs', status: 'True' },
    ],
    patches: [],
    create: cluster.create,
    object: path => cluster.object(path)!,
    edit(path, change) {
      const after = structuredClone(cluster.object(path)!);
      change(after);
      cluster.replace(path, after);
    },
    async listener(request, response) {
      if (request.headers.authorization !== `Bearer ${token}`)
        return refuse(response, 401, 'Unauthorized', 'Unauthorized');
      const path = new URL(request.url!, 'http://kubernetes').pathname;
      if (!cluster.object(path)) return refuse(response, 404, 'NotFound', notFound(path));
      if (request.method === 'GET') return answer(response, 200, cluster.shown(path));
      if (!isJsonPatch(request)) return refuse(response, 415, 'UnsupportedMediaType', 'not a JSON patch');
      patch(path, await text(request), response);
    },
  };
  return fake;
}

/** The objects, and what a gateway that follows them says: after a change not before it has been read so often. */
function emptyCluster(gateway: () => Pick<FakeKubernetes, 'gatewayLag' | 'conditions'>) {
  const objects = new Map<string, FakeObject>();
  const seenByGateway = new Map<string, number>();
  let version = 100;
  let lag = 0;
  return {
    object: (path: string) => objects.get(path),
    create(path: string, spec: object): void {
      const metadata = { name: path.split('/').at(-1)!, resourceVersion: `${version++}`, generation: 1 };
      objects.set(path, { metadata, spec: structuredClone(spec), status: {} });
    },
    /** A new version of the object, and a new generation where what is wanted of it changed. */
    replace(path: string, after: FakeObject): void {
      const before = objects.get(path)!;
      if (JSON.stringify(before) === JSON.stringify(after)) return;
      const again = JSON.stringify(before.spec) === JSON.stringify(after.spec);
      const generation = before.metadata.generation + (again ? 0 : 1);
      lag = gateway().gatewayLag;
      objects.set(path, {
        ...after,
        metadata: { ...after.metadata, resourceVersion: `${version++}`, generation },
      });
    },
    shown(path: string): FakeObject {
      const object = objects.get(path)!;
      if (lag > 0) lag--;
      else seenByGateway.set(path, object.metadata.generation);
      return { ...object, status: statusOf(path, gateway().conditions, seenByGateway.get(path)) };
    },
  };
}

/** Of the three only HTTPRoutes say which generation is meant, each gateway for itself. */
function statusOf(path: string, conditions: readonly FakeCondition[], observedGeneration?: number): object {
  if (!path.includes('/httproutes/')) return { conditions };
  return { parents: [{ conditions: conditions.map(condition => ({ observedGeneration, ...condition })) }] };
}

const isJsonPatch = ({ method, headers }: IncomingMessage) =>
  method === 'PATCH' && headers['content-type'] === 'application/json-patch+json';

function notFound(path: string): string {
  const [, , group, , , , plural, name] = path.split('/');
  return `${plural}.${group} "${name}" not found`;
}

/** Applies all of it; when something does not fit, what the API server says then. */
function applied(object: object, operations: readonly Operation[]): string | undefined {
  const unfit = 'the server rejected our request due to an error in our request';
  for (const { op, path, value } of operations) {
    const steps = path
      .split('/')
      .slice(1)
      .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop()!;
    const parent = steps.reduce<unknown>(
      (place, step) => (place as Record<string, unknown> | undefined)?.[step],
      object,
    );
    if (parent === null || typeof parent !== 'object') return unfit;
    const place = parent as Record<string, unknown>;
    if (op === 'test' && place[last] !== value) return unfit;
    if (op === 'replace' && !Object.hasOwn(place, last)) return unfit;
    if (op !== 'test') place[last] = value;
  }
  return undefined;
}

/** What the schema of the Gateway API says of weights. */
function invalidIn({ spec, metadata }: FakeObject): string | undefined {
  const [wrong] = /"weight":(?!\d{1,6}[,}]|1000000[,}])[^,}]*/.exec(JSON.stringify(spec)) ?? [];
  return (
    wrong && `HTTPRoute.gateway.networking.k8s.io "${metadata.name}" is invalid: ${wrong}: Invalid value`
  );
}

function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  answer(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code });
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
