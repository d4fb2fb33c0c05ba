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
      if (held && held.generation > desired.generation)
        return { kind: 'conflict', detail: `generation ${held.generation} is already held` };
      if (held && held.generation === desired.generation && sameWeights(held.weights, desired.weights))
        return { kind: 'unchanged' };
      routes.set(route, desired);
      return { kind: 'applied' };
    },
    async verify(route, desired) {
      const held = routes.get(route);
      return held && sameWeights(held.weights, desired.weights)
        ? { kind: 'converged' }
        : { kind: 'diverged', detail: 'it was never told' };
    },
    async close() {},
  };
}
