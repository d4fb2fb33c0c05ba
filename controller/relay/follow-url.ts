/** Routes from something that serves the route contract, such as another gateway. */

import type { Offer, RouteSource } from './follow.ts';

export function urlSource(url: string, token: string | undefined): RouteSource {
  const base = url.replace(/\/$/, '');
  // `fetch` would send no-cache with a condition, to which many servers answer in full.
  const headers: Record<string, string> = { 'cache-control': 'max-age=0' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;

  return {
    where: new URL(url).origin,
    open(routes) {
      /** The tag of what was last taken, by route. */
      const tags = new Map<string, string>();

      async function read(route: string, offer: Offer, signal: AbortSignal): Promise<void> {
        const tag = tags.get(route);
        const response = await fetch(`${base}/api/v1/routes/${encodeURIComponent(route)}`, {
          headers: { ...headers, ...(tag !== undefined && { 'if-none-match': tag }) },
          signal,
          redirect: 'error', // the token is meant for this address
        });
        const text = await response.text();
        if (response.status === 304) return;
        const taken = offer(route, saidBy(response, text));
        const next = response.headers.get('etag');
        if (taken && next !== null) tags.set(route, next);
        else tags.delete(route);
      }

      return {
        read: async (offer, signal) =>
          void (await Promise.all(routes.map(route => read(route, offer, signal)))),
        close: () => undefined,
      };
    },
  };
}

function saidBy({ status }: Response, text: string): unknown {
  if (status !== 200) return new Error(`it answered ${status}: ${text.slice(0, 500)}`);
  try {
    return (JSON.parse(text) as { data?: unknown } | null)?.data;
  } catch (cause) {
    return new Error('it answered no JSON', { cause });
  }
}
