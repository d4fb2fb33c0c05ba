import { messageOf } from '../errors.ts';
import { type ApplyResult, compared, fenced, type GatewayDriver, type Verification } from './driver.ts';
import {
  type LitellmGroup,
  type LitellmOptions,
  type LitellmProxy,
  RefusedByLitellm,
  readGroup,
  readStrategy,
  tellDeployment,
} from './litellm-group.ts';
import { idsOf, type Plan, plannedFor, stateOf, stillOpen, toldIn, unfit, wasTold } from './litellm-plan.ts';
import { placesOf } from './places.ts';
import { type OneGateway, several } from './several.ts';
import { takingTurns } from './turns.ts';

/**
 * LiteLLM's proxy: a route is a model group (`model_name`), a target one or several deployments in it.
 *
 * What a deployment was told last stands in its `model_info`, which LiteLLM keeps with the weight in its database and
 * shows with it; so both outlive the controller and the proxy, and a weight that somebody changed by hand is known as
 * such. Deployments are told one by one, without compare-and-set: changes take turns, the highest rise first, and what
 * was told in part is told again. A worker that did not take the change itself follows from the database, within 30
 * seconds; each proxy named here is told, so that it need not wait.
 *
 * A weight of zero gets nothing while another deployment that can serve has more. It is no fence: when all of those
 * fail, LiteLLM lets the ones without weight serve before it refuses. All zero is by requests or tokens per minute, else
 * all alike. Versions until mid-2026 ignored every weight where the first deployment had none, so each has a number.
 */
export function litellmDriver({ url, token, group, deployments }: LitellmOptions): GatewayDriver {
  const places = placesOf(deployments);
  const turns = takingTurns();

  const gatewayAt = (address: string): OneGateway => {
    const proxy: LitellmProxy = { url: address, ...(token !== undefined && { token }) };
    const look = (route: string, signal: AbortSignal) => readGroup(proxy, group ?? route, signal);
    return {
      read: async (route, signal) => stateOf(await look(route, signal), places),
      apply: (route, desired, signal) =>
        turns(`${route} ${address}`, signal, async () =>
          tell(proxy, await look(route, signal), plannedFor(desired, places), signal),
        ).catch(unclear),
      verify: (route, desired, signal) =>
        look(route, signal).then(
          held => judged(held, plannedFor(desired, places)),
          (error): Verification => ({ kind: 'unknown', detail: messageOf(error) }),
        ),
    };
  };

  return {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: false,
      durableAcrossRestarts: true,
      expectedEffectMs: 30_000,
    }),
    ...several([url].flat().map(gatewayAt)),
    async close() {},
  };
}

async function tell(
  proxy: LitellmProxy,
  held: LitellmGroup,
  plan: Plan,
  signal: AbortSignal,
): Promise<ApplyResult> {
  const problem = unfit(held, plan);
  if (problem !== undefined) return { kind: 'rejected', detail: `${held.where} ${problem}` };
  const before = fenced(held.where, toldIn(held, plan), plan.desired);
  if (before && (before.kind !== 'unchanged' || stillOpen(held, plan).length === 0)) return before;
  const strategy = await readStrategy(proxy, signal);
  if (strategy !== 'simple-shuffle')
    return {
      kind: 'rejected',
      detail: `the LiteLLM at ${proxy.url} routes by ${strategy}, which knows no weights; set router_settings.routing_strategy to simple-shuffle`,
    };
  return tellInOrder(proxy, held, plan, signal);
}

/** The highest rise first: at no moment does nobody serve. */
async function tellInOrder(
  proxy: LitellmProxy,
  { deployments }: LitellmGroup,
  { changes }: Plan,
  signal: AbortSignal,
): Promise<ApplyResult> {
  const inOrder = deployments
    .flatMap(deployment => ({ deployment, change: changes.get(deployment.id) }))
    .filter(each => each.change !== undefined)
    .map(({ deployment, change }) => ({
      deployment,
      change: change!,
      rise: change!.weight - (deployment.weight ?? 0),
    }))
    .sort((a, b) => b.rise - a.rise);
  for (const [index, { deployment, change }] of inOrder.entries())
    try {
      await tellDeployment(proxy, deployment, change, signal);
    } catch (error) {
      return index === 0 ? unclear(error) : { kind: 'unknown', detail: messageOf(error) };
    }
  return { kind: 'applied' };
}

const unclear = (error: unknown): ApplyResult => ({
  kind: error instanceof RefusedByLitellm ? 'rejected' : 'unknown',
  detail: messageOf(error),
});

function judged(held: LitellmGroup, plan: Plan): Verification {
  const problem = unfit(held, plan);
  if (problem !== undefined) return { kind: 'diverged', detail: `${held.where} ${problem}` };
  const open = stillOpen(held, plan);
  if (open.length === 0) return inEffect(held);
  const told = held.deployments.filter(deployment => wasTold(deployment, plan));
  if (told.length === plan.changes.size) {
    const words = open.map(({ id, weight }) => `${id} has weight ${weight}`).join(', ');
    return { kind: 'diverged', detail: `${held.where} was changed by hand: ${words}` };
  }
  const { generation = 0, weights } = stateOf(held, plan.places);
  const detail = `${held.where} holds generation ${generation} with ${JSON.stringify(weights)}, and not yet what was decided: ${idsOf(open)}`;
  const inPart = told.length > 0 && compared('', toldIn(held, plan), plan.desired).kind === 'converged';
  return { kind: inPart ? 'partial' : 'diverged', detail };
}

function inEffect({ where, deployments }: LitellmGroup): Verification {
  const paused = deployments.filter(({ weight = 0, blocked }) => weight > 0 && blocked);
  if (paused.length === 0) return { kind: 'converged' };
  return { kind: 'partial', detail: `${where} holds the weights, but ${idsOf(paused)} is paused` };
}
