import { createHash } from 'node:crypto';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import {
  type ApplyResult,
  compared,
  type Desired,
  type GatewayDriver,
  type GatewayState,
  type Verification,
} from './driver.ts';
import { type OneGateway, several } from './several.ts';

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
      throw new Error(
        `${url} answered ${response.status} to GET ${route}: ${excerpt(await response.text())}`,
      );
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
        headers: { ...headers, 'idempotency-key': `${route}/${digestOf(body)}` },
      });
      const text = await response.text();
      if (response.ok) return { kind: JSON.parse(text).data?.changed === false ? 'unchanged' : 'applied' };
      const detail = `${url} answered ${response.status}: ${excerpt(text)}`;
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
      return compared(url, await readOne(url, route, signal), desired);
    } catch (error) {
      return { kind: 'unknown', detail: messageOf(error) };
    }
  }

  const gatewayAt = (url: string): OneGateway => ({
    read: (route, signal) => readOne(url, route, signal),
    apply: (route, desired, signal) => applyOne(url, route, desired, signal),
    verify: (route, desired, signal) => verifyOne(url, route, desired, signal),
  });

  return {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: true,
      durableAcrossRestarts: true,
      expectedEffectMs: 50,
    }),
    ...several(urls.map(gatewayAt)),
    async close() {},
  };
}

const routeUrl = (url: string, route: string) =>
  `${url.replace(/\/$/, '')}/api/v1/routes/${encodeURIComponent(route)}`;

const excerpt = (text: string) => text.slice(0, 2000);

/** The same change of a route has the same key; the same generation with other words or weights has another one. */
const digestOf = (body: string) => createHash('sha256').update(body).digest('hex');
