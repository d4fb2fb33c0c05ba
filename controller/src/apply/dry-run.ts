import { type Desired, type GatewayDriver, sameWeights } from './driver.ts';

/** Changes nothing outside: a route that is only watched, and the first step of every set-up. */
export function dryRunDriver(): GatewayDriver {
  const routes = new Map<string, Desired>();
  return {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: true,
      durableAcrossRestarts: false,
      expectedEffectMs: 0,
    }),
    async read(route) {
      const held = routes.get(route);
      return held ? { weights: held.weights, generation: held.generation } : { weights: {} };
    },
    async apply(route, desired) {
      const held = routes.get(route);
      if (held && same(held, desired)) return { kind: 'unchanged' };
      if (held && held.generation >= desired.generation)
        return { kind: 'conflict', detail: `generation ${held.generation} is already held` };
      routes.set(route, desired);
      return { kind: 'applied' };
    },
    async verify(route, desired) {
      const held = routes.get(route);
      if (!held) return { kind: 'diverged', detail: 'it was never told' };
      if (same(held, desired)) return { kind: 'converged' };
      return {
        kind: 'diverged',
        detail: `it holds generation ${held.generation} with ${JSON.stringify(held.weights)}`,
      };
    },
    async close() {},
  };
}

const same = (held: Desired, desired: Desired) =>
  held.generation === desired.generation && sameWeights(held.weights, desired.weights);
