import { messageOf } from '../errors.ts';
import {
  type ApplyResult,
  compared,
  type Desired,
  fenced,
  type GatewayDriver,
  type Verification,
} from './driver.ts';
import { type KubernetesOptions, kubernetesApi, Outdated, RefusedByKubernetes } from './kubernetes-api.ts';
import { type KubernetesRule, patchFor, ruleIn, stateOf, stillOpen, unfit } from './kubernetes-object.ts';
import { type Places, placesOf } from './places.ts';

/**
 * A rule of an object that some gateway in Kubernetes follows. Only the weights of the backends that stand for targets
 * are touched, and an annotation with what each route was told last; all of it in one patch, which tests the object's
 * version, so that two controllers, or a controller and a person, never overwrite each other. That the API server took
 * it does not mean that requests follow: whether a gateway has is read from the object's conditions.
 */
export function kubernetesDriver(options: KubernetesOptions): GatewayDriver {
  const places = placesOf(options.backends);
  const api = kubernetesApi(options);
  const nameFor = (route: string) => options.name ?? route;
  const look = async (route: string, signal: AbortSignal) =>
    ruleIn(await api.read(nameFor(route), signal), options, route);

  /** Whoever was faster is read again, until the change is in or refused. */
  async function change(route: string, desired: Desired, signal: AbortSignal): Promise<ApplyResult> {
    let tried: KubernetesRule | undefined;
    for (;;) {
      const held = await look(route, signal);
      const answer = refusal(held, desired, places);
      if (answer) return answer;
      try {
        await api.patch(nameFor(route), patchFor(held, route, desired, places), signal);
        return { kind: 'applied' };
      } catch (error) {
        if (!(error instanceof Outdated)) throw error;
        if (held.resourceVersion === tried?.resourceVersion) throw new RefusedByKubernetes(error.message);
        tried = held;
      }
    }
  }

  return {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: true,
      durableAcrossRestarts: true,
      expectedEffectMs: 5_000,
    }),
    read: async (route, signal) => stateOf(await look(route, signal), places),
    apply: (route, desired, signal) => change(route, desired, signal).catch(unclear),
    verify: (route, desired, signal) =>
      look(route, signal).then(
        held => judged(held, desired, places),
        (error): Verification => ({ kind: 'unknown', detail: messageOf(error) }),
      ),
    async close() {},
  };
}

const unclear = (error: unknown): ApplyResult => ({
  kind: error instanceof RefusedByKubernetes ? 'rejected' : 'unknown',
  detail: messageOf(error),
});

/** What a change meets before it is told; nothing, when it may be told. */
function refusal(held: KubernetesRule, desired: Desired, places: Places): ApplyResult | undefined {
  const problem = unfit(held, desired, places);
  if (problem !== undefined) return { kind: 'rejected', detail: `${held.where} ${problem}` };
  const before = fenced(held.where, held.told ?? stateOf(held, places), desired);
  const drifted = before?.kind === 'unchanged' && stillOpen(held, desired, places).length > 0;
  return drifted ? undefined : before;
}

function judged(held: KubernetesRule, desired: Desired, places: Places): Verification {
  const { where, told, problems } = held;
  const problem = unfit(held, desired, places);
  if (problem !== undefined) return { kind: 'diverged', detail: `${where} ${problem}` };
  const seen = compared(where, told ?? stateOf(held, places), desired);
  if (seen.kind !== 'converged') return seen;
  const open = stillOpen(held, desired, places);
  if (open.length > 0) {
    const words = open.map(({ name, weight }) => `${name} has weight ${weight}`).join(', ');
    return { kind: 'diverged', detail: `${where} was changed by hand: ${words}` };
  }
  if (problems.length === 0) return { kind: 'converged' };
  return { kind: 'partial', detail: `${where} holds the weights, but ${problems.join('; ')}` };
}
