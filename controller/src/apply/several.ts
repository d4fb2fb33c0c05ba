import type { ApplyResult, GatewayDriver, GatewayState, Verification } from './driver.ts';

/** What one of several gateways of a route does; all of them are told the same. */
export type OneGateway = Pick<GatewayDriver, 'read' | 'apply' | 'verify'>;

export function several(gateways: readonly OneGateway[]): OneGateway {
  return {
    // Every one has to answer: one that does not might know a later generation, and refuse all that come before it.
    read: async (route, signal) =>
      latest(await Promise.all(gateways.map(gateway => gateway.read(route, signal)))),
    apply: async (route, desired, signal) =>
      worstApplied(await Promise.all(gateways.map(gateway => gateway.apply(route, desired, signal)))),
    verify: async (route, desired, signal) =>
      together(await Promise.all(gateways.map(gateway => gateway.verify(route, desired, signal)))),
  };
}

/** Gateways that disagree are on the way from an earlier generation to the latest. */
const latest = (states: readonly GatewayState[]) =>
  states.reduce((best, state) => ((state.generation ?? 0) > (best.generation ?? 0) ? state : best));

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
