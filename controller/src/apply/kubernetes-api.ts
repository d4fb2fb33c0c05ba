import type { DriverConfig } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import { within } from './turns.ts';

export type KubernetesOptions = Omit<Extract<DriverConfig, { kind: 'kubernetes' }>, 'kind'>;

/** One operation of a JSON patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'test' | 'add';
  readonly path: string;
  readonly value: unknown;
}

/** Objects of one kind in one namespace. */
export interface KubernetesApi {
  /** @throws RefusedByKubernetes or Error, as `patch` */
  read(name: string, signal: AbortSignal): Promise<unknown>;
  /**
   * All of it or nothing.
   *
   * @throws Outdated when the object is no longer as it was read, or cannot become what it was told
   * @throws RefusedByKubernetes when the API server does not take it, and will not another time
   * @throws Error when it is unknown whether it took it
   */
  patch(name: string, operations: readonly PatchOperation[], signal: AbortSignal): Promise<void>;
}

/** Answered, and not as asked for: asking again will not help. */
export class RefusedByKubernetes extends Error {}

/** A test of the patch failed, or the object changed meanwhile: the API server says 422 or 409 to either. */
export class Outdated extends Error {}

/** The group, version and plural under which the API server keeps each kind. */
const resources = {
  HTTPRoute: { group: 'gateway.networking.k8s.io', version: 'v1', plural: 'httproutes' },
  AIGatewayRoute: { group: 'aigateway.envoyproxy.io', version: 'v1beta1', plural: 'aigatewayroutes' },
  VirtualService: { group: 'networking.istio.io', version: 'v1', plural: 'virtualservices' },
} as const;

/**
 * The library is large (a second, 90 MB of memory), so only a policy that needs it loads it. The kubeconfig is read anew
 * each time: its certificates and tokens are replaced under a running controller.
 */
export function kubernetesApi(options: KubernetesOptions): KubernetesApi {
  const { resource, namespace } = options;
  const place = { ...resources[resource], namespace };
  const loading = import('@kubernetes/client-node');
  loading.catch(() => undefined); // the call that meets it says so

  async function call<T>(
    what: string,
    signal: AbortSignal,
    work: (api: CustomObjects, options: RequestOptions) => Promise<T>,
  ): Promise<T> {
    const library = await within(signal, loading);
    const config = kubeconfigOf(library, options);
    const request = requestUnder(library, signal);
    try {
      return await within(signal, work(config.makeApiClient(library.CustomObjectsApi), request.options));
    } catch (error) {
      const at = `${what} at ${config.getCurrentCluster()?.server}`;
      throw error instanceof library.ApiException
        ? failed(at, error)
        : new Error(`${at}: ${harmless(error)}`);
    } finally {
      request.end();
    }
  }

  return {
    read: (name, signal) =>
      call(`reading ${resource} ${namespace}/${name}`, signal, (api, request) =>
        api.getNamespacedCustomObject({ ...place, name }, request),
      ),
    patch: (name, operations, signal) =>
      call(`patching ${resource} ${namespace}/${name}`, signal, (api, request) =>
        api.patchNamespacedCustomObject(
          { ...place, name, body: operations, fieldManager: 'relaycore' },
          request,
        ),
      ).then(() => undefined),
  };
}

type Library = typeof import('@kubernetes/client-node');
type CustomObjects = InstanceType<Library['CustomObjectsApi']>;
type RequestOptions = NonNullable<Parameters<CustomObjects['getNamespacedCustomObject']>[1]>;

/** What kubectl would use, unless the policy says otherwise; in a pod without a kubeconfig the pod's own cluster. */
function kubeconfigOf({ KubeConfig }: Library, { kubeconfig, context }: KubernetesOptions) {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    throw new RefusedByKubernetes(
      `the kubeconfig ${kubeconfig ?? 'of kubectl'} cannot be used: ${harmless(error)}`,
    );
  }
  if (context === undefined) return config;
  const names = config.getContexts().map(({ name }) => name);
  if (!names.includes(context))
    throw new RefusedByKubernetes(
      `the kubeconfig has no context "${context}"; it has: ${names.join(', ')}. Name the right one as driver.context`,
    );
  config.setCurrentContext(context);
  return config;
}

/** The library makes a pool of connections for each request, and leaves it open. */
function requestUnder({ Observable }: Library, signal: AbortSignal) {
  let pool: { destroy(): Promise<void> } | undefined;
  const options: RequestOptions = {
    middlewareMergeStrategy: 'append',
    middleware: [
      {
        pre(request) {
          request.setSignal(signal);
          pool = request.getDispatcher();
          return new Observable(Promise.resolve(request));
        },
        post: response => new Observable(Promise.resolve(response)),
      },
    ],
  };
  return { options, end: () => pool?.destroy() };
}

interface Answered {
  readonly code: number;
  readonly body: unknown;
}

/** Of the answer only what the API server says: its headers are nobody's business. */
function failed(what: string, { code, body }: Answered): Error {
  const detail = `${what} was answered ${code}: ${saidIn(body).slice(0, 2000)}`;
  if (code === 409 || code === 422) return new Outdated(detail);
  if (code === 404)
    return new RefusedByKubernetes(
      `${detail}. Create it with a backend for each target, or name the right one as driver.name`,
    );
  if (code === 403) return new RefusedByKubernetes(`${detail}. Allow the controller to get and patch it`);
  return code >= 500 || code === 408 || code === 429 ? new Error(detail) : new RefusedByKubernetes(detail);
}

/** Those who parse quote the lines around a mistake, and those who send quote a header that they cannot. */
function harmless(error: unknown): string {
  if (error instanceof Error && error.name === 'YAMLException') return 'it is no YAML';
  return messageOf(error).replaceAll(/(Bearer|Basic)\s[^"]*/g, '$1 ***');
}

/** A `Status` of Kubernetes, as an object or as text, or whatever else stood in its place. */
function saidIn(body: unknown): string {
  const status = typeof body === 'string' ? asJson(body) : body;
  const message = (status as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' ? message : String(body);
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
