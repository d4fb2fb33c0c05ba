import { messageOf } from '../errors.ts';
import {
  type ApplyResult,
  compared,
  type Desired,
  fenced,
  type GatewayDriver,
  type Verification,
} from './driver.ts';
import { type Held, type HttpOptions, lookAt, stateFor, stateOf, valuesToWrite } from './http-gateway.ts';
import { writeOnce } from './http-requests.ts';
import { takingTurns } from './turns.ts';

/**
 * Any gateway whose weights can be read and written as JSON over HTTP; templates say how. There is no compare-and-set:
 * what the gateway holds is read before it is changed, and changes take turns. Where the gateway has no place for a
 * generation, the one that this driver told last stands for it, and is forgotten with the driver.
 */
export function httpDriver(options: HttpOptions, targets: readonly string[]): GatewayDriver {
  const { scale, read } = options;
  const lastTold = new Map<string, number>();
  const turns = takingTurns();

  async function look(route: string, signal: AbortSignal): Promise<Held> {
    const held = await lookAt(options, targets, route, signal);
    return read.generation === undefined ? { ...held, generations: [lastTold.get(route)] } : held;
  }

  async function tell(route: string, desired: Desired, signal: AbortSignal): Promise<ApplyResult> {
    const strange = Object.keys(desired.weights).find(model => !targets.includes(model));
    if (strange !== undefined)
      return {
        kind: 'rejected',
        detail: `the route has no target "${strange}"; it has: ${targets.join(', ')}`,
      };
    const held = await look(route, signal);
    const refusal = fenced(held.where, stateFor(held, desired, targets, scale), desired);
    if (refusal) return refusal;
    const all = valuesToWrite(options, targets, { route, desired, held });
    for (const [index, values] of all.entries()) {
      const failure = await writeOnce(options, values, signal);
      if (failure) return index === 0 ? failure : { ...failure, kind: 'unknown' };
    }
    lastTold.set(route, desired.generation);
    return { kind: 'applied' };
  }

  function judged(held: Held, desired: Desired): Verification {
    const seen = compared(held.where, stateFor(held, desired, targets, scale), desired);
    const told = held.generations.filter(generation => generation === desired.generation).length;
    const inPart = told > 0 && told < held.generations.length;
    return seen.kind === 'diverged' && inPart ? { ...seen, kind: 'partial' } : seen;
  }

  return {
    capabilities: () => ({
      weights: true,
      granularity: Math.ceil(10_000 / scale),
      compareAndSet: false,
      durableAcrossRestarts: false,
      expectedEffectMs: 1_000,
    }),
    read: async (route, signal) => stateOf(await look(route, signal), targets),
    apply: (route, desired, signal) =>
      turns(route, signal, () => tell(route, desired, signal)).catch(
        (error): ApplyResult => ({ kind: 'unknown', detail: messageOf(error) }),
      ),
    verify: (route, desired, signal) =>
      look(route, signal).then(
        held => judged(held, desired),
        (error): Verification => ({ kind: 'unknown', detail: messageOf(error) }),
      ),
    async close() {},
  };
}
