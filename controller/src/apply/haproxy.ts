import type { DriverConfig } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import type { Weights } from '../types.ts';
import {
  type ApplyResult,
  compared,
  type Desired,
  fenced,
  type GatewayDriver,
  type GatewayState,
  type Verification,
} from './driver.ts';
import {
  type HaproxyBackend,
  type HaproxyServer,
  readBackend,
  tellBackend,
  UnknownBackend,
} from './haproxy-backend.ts';
import { type Places, placesOf } from './places.ts';
import { type OneGateway, several } from './several.ts';
import { apportioned, scaledTo } from './shares.ts';
import { takingTurns } from './turns.ts';

export type HaproxyOptions = Omit<Extract<DriverConfig, { kind: 'haproxy' }>, 'kind'>;

/**
 * HAProxy's runtime API: a route is a backend, a target one or several servers in it.
 *
 * HAProxy knows no generations. What it was told last stands in a variable of its process, which outlives the
 * controller and goes when the weights go: a restarted HAProxy says that it was told nothing, and is told again. So are
 * weights that somebody changed by hand. There is no compare-and-set: the changes of one controller take turns, and
 * when a second controller comes in between, the later generation is told again at its next look.
 */
export function haproxyDriver({ socket, backend, servers }: HaproxyOptions): GatewayDriver {
  const places = placesOf(servers);
  const turns = takingTurns();

  const gatewayAt = (address: string): OneGateway => {
    const look = (route: string, signal: AbortSignal) => readBackend(address, backend ?? route, signal);
    return {
      read: async (route, signal) => stateOf(await look(route, signal), places),
      apply: (route, desired, signal) =>
        turns(`${route} ${address}`, signal, async () =>
          tell(await look(route, signal), desired, places, signal),
        ).catch(unclear),
      verify: (route, desired, signal) =>
        look(route, signal).then(
          held => judged(held, desired, places),
          (error): Verification => ({ kind: 'unknown', detail: messageOf(error) }),
        ),
    };
  };

  return {
    capabilities: () => ({
      weights: true,
      granularity: Math.ceil(10_000 / (highestWeight + 1)),
      compareAndSet: false,
      durableAcrossRestarts: false,
      expectedEffectMs: 5,
    }),
    ...several([socket].flat().map(gatewayAt)),
    async close() {},
  };
}

const highestWeight = 256;

async function tell(
  held: HaproxyBackend,
  desired: Desired,
  places: Places,
  signal: AbortSignal,
): Promise<ApplyResult> {
  const wanted = serverWeights(desired.weights, places);
  const problem = unfit(held, wanted);
  if (problem !== undefined) return { kind: 'rejected', detail: `${whereOf(held)} ${problem}` };
  const before = fenced(whereOf(held), held.told ?? stateOf(held, places), desired);
  const drifted = before?.kind === 'unchanged' && !holds(held, desired, places);
  if (before && !drifted) return before;
  const objection = await tellBackend(held, inOrder(held.servers, wanted), desired, signal);
  if (objection === undefined) return { kind: 'applied' };
  return { kind: 'rejected', detail: `${whereOf(held)} says: ${objection}` };
}

const unclear = (error: unknown): ApplyResult => ({
  kind: error instanceof UnknownBackend ? 'rejected' : 'unknown',
  detail: messageOf(error),
});

/** The highest rise first: at no moment does nobody serve. */
function inOrder(servers: readonly HaproxyServer[], wanted: ReadonlyMap<string, number>) {
  return servers
    .map(({ name, weight }) => ({ name, weight, rise: (wanted.get(name) ?? weight) - weight }))
    .filter(({ rise }) => rise !== 0)
    .sort((a, b) => b.rise - a.rise)
    .map(({ name, weight, rise }): [string, number] => [name, weight + rise]);
}

function judged(held: HaproxyBackend, desired: Desired, places: Places): Verification {
  if (!holds(held, desired, places)) {
    const words = held.servers.map(({ name, weight }) => `${name} has weight ${weight}`).join(', ');
    const asTold = held.told && compared('', held.told, desired).kind === 'converged';
    return asTold
      ? { kind: 'diverged', detail: `${whereOf(held)} was changed by hand: ${words}` }
      : compared(whereOf(held), stateOf(held, places), desired);
  }
  const out = held.servers.filter(({ weight, status }) => weight > 0 && !serves(status));
  if (out.length === 0) return { kind: 'converged' };
  return { kind: 'partial', detail: `${whereOf(held)} holds the weights, but ${inWords(out)}` };
}

const holds = (held: HaproxyBackend, desired: Desired, places: Places) =>
  compared('', stateOf(held, places), desired).kind === 'converged';

/** What was told, as long as the weights are what was made of it; else the shares that the weights come to. */
function stateOf({ servers, told }: HaproxyBackend, places: Places): GatewayState {
  const active = servers.filter(({ backup }) => !backup);
  if (told) {
    const wanted = serverWeights(told.weights, places);
    if (active.every(({ name, weight }) => weight === (wanted.get(name) ?? 0))) return told;
  }
  const shares = apportioned(
    10_000,
    active.map(({ weight }) => weight),
  );
  const weights: Record<string, number> = {};
  for (const [i, { name }] of active.entries())
    weights[places.modelOf(name)] = (weights[places.modelOf(name)] ?? 0) + shares[i]!;
  const anybody = shares.some(share => share > 0);
  return { weights: anybody ? weights : {}, ...(told && { generation: told.generation }) };
}

/** The weight of every server that stands for a target; a target's share is spread over its servers. */
function serverWeights(weights: Weights, { namesOf }: Places): ReadonlyMap<string, number> {
  const shares = Object.entries(weights).flatMap(([model, weight]) =>
    namesOf(model).map((name, _, all) => ({ name, share: weight / all.length })),
  );
  const scaled = scaledTo(
    highestWeight,
    shares.map(({ share }) => share),
  );
  return new Map(shares.map(({ name }, i) => [name, scaled[i]!]));
}

/** Why the backend cannot hold these weights, and what to do about it. */
function unfit({ servers }: HaproxyBackend, wanted: ReadonlyMap<string, number>): string | undefined {
  const missing = [...wanted.keys()].filter(name => !servers.some(server => server.name === name));
  if (missing.length > 0)
    return `has no server "${missing.join('", "')}"; it has: ${servers.map(({ name }) => name).join(', ')}. Add the server, or name the right one under driver.servers`;
  const backup = servers.find(({ name, backup }) => backup && wanted.has(name));
  if (backup)
    return `has "${backup.name}" as a backup of its own, which gets no share of the traffic. Take the word "backup" from that server`;
  const strange = servers.find(({ name, weight, backup }) => weight > 0 && !backup && !wanted.has(name));
  if (strange)
    return `gives weight ${strange.weight} to "${strange.name}", which stands for no target. Name it under driver.servers, or give it weight 0`;
  const carrying = servers.filter(({ name }) => wanted.get(name));
  const someoneServes = servers.some(({ weight, status }) => weight > 0 && serves(status));
  if (someoneServes && !carrying.some(({ status }) => serves(status)))
    return `would have nobody left to serve: ${inWords(carrying)}. Bring it up first`;
  return undefined;
}

const whereOf = ({ name, socket }: HaproxyBackend) => `the backend ${name} of the HAProxy at ${socket}`;

const serves = (status: string) => /^(UP|no check)/.test(status);

const inWords = (servers: readonly HaproxyServer[]) =>
  servers
    .map(({ name, status, check }) => `its server ${name} is ${status}${check && ` (${check})`}`)
    .join(', ');
