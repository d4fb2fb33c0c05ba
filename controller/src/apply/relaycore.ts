import { z } from 'zod';
import { messageOf } from '../errors.ts';
import {
  type ApplyResult,
  type Desired,
  type GatewayDriver,
  type GatewayState,
  sameWeights,
  type Verification,
} from './driver.ts';

export interface RelaycoreOptions {
  /** Every gateway that embeds the relay kit for this route. */
  readonly urls: readonly string[];
  readonly token?: string;
}

const answer = z.object({
  success: z.literal(true),
  data: z.object({ weights: z.record(z.string(), z.number()), generation: z.number() }),
});

/** RelayCore's route contract over HTTP: `GET` and `PUT /api/v1/routes/{route}`, the generation as fence. */
export function relaycoreDriver({ urls, token }: RelaycoreOptions): GatewayDriver {
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };

  async function readOne(url: string, route: string, signal: AbortSignal): Promise<GatewayState> {
    const response = await fetch(routeUrl(url, route), { headers, signal });
    if (!response.ok)
      throw new Error(`${url} answered ${response.status} to GET ${route}: ${await excerpt(response)}`);
    const { data } = answer.parse(await response.json());
    return { weights: data.weights, generation: data.generation, revision: String(data.generation) };
  }

  async function applyOne(
    url: string,
    route: string,
    desired: Desired,
    signal: AbortSignal,
  ): Promise<ApplyResult> {
    const body = JSON.stringify({ ...desired, updated_by: 'relaycore-controller' });
    try {
      const response = await fetch(routeUrl(url, route), {
        method: 'PUT',
        body,
        signal,
        headers: { ...headers, 'idempotency-key': `${route}/${desired.generation}` },
      });
      const text = await excerpt(response);
      if (response.ok) return { kind: JSON.parse(text).data?.changed === false ? 'unchanged' : 'applied' };
      const detail = `${url} answered ${response.status}: ${text}`;
      if (response.status === 412) return { kind: 'conflict', detail };
      return { kind: response.status >= 500 || response.status === 408 ? 'unknown' : 'rejected', detail };
    } catch (error) {
      return { kind: 'unknown', detail: `${url}: ${messageOf(error)}` };
    }
  }

  async function verifyOne(
    url: string,
    route: string,
    desired: Desired,
    signal: AbortSignal,
  ): Promise<Verification> {
    try {
      const state = await readOne(url, route, signal);
      if (sameWeights(state.weights, desired.weights) && state.generation === desired.generation)
        return { kind: 'converged' };
      return {
        kind: 'diverged',
        detail: `${url} holds generation ${state.generation} with ${JSON.stringify(state.weights)}`,
      };
    } catch (error) {
      return { kind: 'unknown', detail: messageOf(error) };
    }
  }

  return {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: true,
      durableAcrossRestarts: true,
      expectedEffectMs: 50,
    }),
    read: (route, signal) => readOne(urls[0]!, route, signal),
    apply: async (route, desired, signal) =>
      worstApplied(await Promise.all(urls.map(url => applyOne(url, route, desired, signal)))),
    verify: async (route, desired, signal) =>
      together(await Promise.all(urls.map(url => verifyOne(url, route, desired, signal)))),
    async close() {},
  };
}

const routeUrl = (url: string, route: string) =>
  `${url.replace(/\/$/, '')}/api/v1/routes/${encodeURIComponent(route)}`;

const excerpt = async (response: Response) => (await response.text()).slice(0, 2000);

/** One gateway that did not follow outweighs all that did. */
function worstApplied(results: readonly ApplyResult[]): ApplyResult {
  for (const kind of ['conflict', 'rejected', 'unknown', 'applied'] as const) {
    const found = results.find(result => result.kind === kind);
    if (found) return found;
  }
  return { kind: 'unchanged' };
}

function together(results: readonly Verification[]): Verification {
  const open = results.filter(result => result.kind !== 'converged');
  if (open.length === 0) return { kind: 'converged' };
  if (open.length < results.length) return { kind: 'partial', detail: details(open) };
  return { kind: open[0]!.kind, detail: details(open) };
}

const details = (results: readonly Verification[]) =>
  results.map(result => ('detail' in result ? result.detail : '')).join('; ');
