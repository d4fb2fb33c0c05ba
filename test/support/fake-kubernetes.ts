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
  const objects = new Map<string, FakeObject>();
  const seenByGateway = new Map<string, number>();
  let version = 100;
  let lag = 0;

  function changed(path: string, before: FakeObject, after: FakeObject): FakeObject {
    const { resourceVersion, generation } = before.metadata;
    if (JSON.stringify(before) === JSON.stringify(after)) return before;
    const newSpec = JSON.stringify(before.spec) !== JSON.stringify(after.spec);
    lag = fake.gatewayLag;
    const metadata = {
      ...after.metadata,
      resourceVersion: `${Math.max(Number(resourceVersion), version++) + 1}`,
      generation: generation + (newSpec ? 1 : 0),
    };
    const object = { ...after, metadata };
    objects.set(path, object);
    return object;
  }

  function shown(path: string, object: FakeObject): FakeObject {
    if (lag > 0) lag--;
    else seenByGateway.set(path, object.metadata.generation);
    const conditions = fake.conditions.map(condition => ({
      observedGeneration: seenByGateway.get(path),
      ...condition,
    }));
    return {
      ...object,
      status: path.includes('/httproutes/') ? { parents: [{ conditions }] } : { conditions },
    };
  }

  function patch(path: string, object: FakeObject, body: string, response: ServerResponse): void {
    fake.patches.push(body);
    if (fake.trouble === 'hangs') return;
    if (fake.trouble === 'conflicts') {
      refuse(
        response,
        409,
        'Conflict',
        'the object has been modified; please apply your changes to the latest version',
      );
      return;
    }
    const after = structuredClone(object);
    const problem = applied(after, JSON.parse(body)) ?? invalidIn(after);
    if (problem !== undefined) {
      refuse(response, 422, 'Invalid', problem);
      return;
    }
    const took = fake.trouble === undefined || fake.trouble === 'fails though applied';
    const result = took ? changed(path, object, after) : object;
    if (fake.trouble?.startsWith('fails'))
      refuse(response, 500, 'InternalError', 'etcdserver: request timed out');
    else answer(response, 200, shown(path, result));
  }

  const fake: FakeKubernetes = {
    gatewayLag: 0,
    conditions: [
      { type: 'Accepted', status: 'True' },
      { type: 'ResolvedRefs', status: 'True' },
    ],
    patches: [],
    create(path, spec) {
      const metadata = { name: path.split('/').at(-1)!, resourceVersion: `${version++}`, generation: 1 };
      objects.set(path, { metadata, spec: structuredClone(spec), status: {} });
    },
    object: path => objects.get(path)!,
    edit(path, change) {
      const after = structuredClone(objects.get(path)!);
      change(after);
      changed(path, objects.get(path)!, after);
    },
    async listener(request, response) {
      if (request.headers.authorization !== `Bearer ${token}`)
        return refuse(response, 401, 'Unauthorized', 'Unauthorized');
      const path = new URL(request.url!, 'http://kubernetes').pathname;
      const object = objects.get(path);
      if (!object) return refuse(response, 404, 'NotFound', notFound(path));
      if (request.method === 'GET') return answer(response, 200, shown(path, object));
      if (!isJsonPatch(request)) return refuse(response, 415, 'UnsupportedMediaType', 'not a JSON patch');
      const body = await text(request);
      patch(path, objects.get(path)!, body, response);
    },
  };
  return fake;
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
