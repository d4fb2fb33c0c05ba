import { compared, fenced, type GatewayDriver, type GatewayState } from './driver.ts';

/** Changes nothing outside: a route that is only watched, and the first step of every set-up. */
export function dryRunDriver(): GatewayDriver {
  const routes = new Map<string, GatewayState>();
  const held = (route: string) => routes.get(route) ?? { weights: {} };
  return {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: true,
      durableAcrossRestarts: false,
      expectedEffectMs: 0,
    }),
    read: async route => held(route),
    async apply(route, desired) {
      const refusal = fenced('the dry run', held(route), desired);
      if (refusal) return refusal;
      routes.set(route, { weights: desired.weights, generation: desired.generation });
      return { kind: 'applied' };
    },
    verify: async (route, desired) => compared('the dry run', held(route), desired),
    async close() {},
  };
}
