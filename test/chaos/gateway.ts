import {
  type ApplyResult,
  compared,
  type Desired,
  fenced,
  type GatewayDriver,
  type GatewayState,
} from '../../controller/src/apply/driver.ts';
import { guarded } from '../../controller/src/apply/guarded.ts';
import { type OneGateway, several } from '../../controller/src/apply/several.ts';
import { within } from '../../controller/src/apply/turns.ts';
import { allTo } from '../../controller/src/decide/weights.ts';
import type { Weights } from '../../controller/src/types.ts';
import type { Random } from '../sim/random.ts';
import type { GatewayTrouble } from './episodes.ts';
import type { Life } from './life.ts';
import type { Time } from './time.ts';

/**
 * A gateway that keeps beside its weights what it was told last, as HAProxy, Kubernetes and LiteLLM do: so a change by
 * hand shows. Its fence is the controller's own.
 */
export interface FakeGateway {
  readonly name: string;
  /** What it serves by, whoever set it. */
  weights(): Weights;
  /** What it was told last, until it forgets. */
  told(): GatewayState | undefined;
  connect(life: Life): OneGateway;
  changeByHand(weights: Weights): void;
  /** Starts again with its configuration, which knows no controller. */
  forget(): void;
}

export interface FakeGatewayParts {
  readonly name: string;
  readonly targets: readonly [string, ...string[]];
  readonly time: Time;
  readonly random: Random;
  readonly troubles: () => readonly GatewayTrouble[];
  /** A change has arrived, whatever becomes of it. */
  readonly onAsked: (desired: Desired) => void;
  /** It now serves by what it was told. */
  readonly onTold: (desired: Desired) => void;
  readonly onTrouble: (what: GatewayTrouble) => void;
}

/** Longer than the deadline of the controller's calls. */
export const hangsMs = 20_000;
/** A change that is applied late comes within this time. */
export const latestMs = 8_000;

export function fakeGateway(parts: FakeGatewayParts): FakeGateway {
  const { name, targets, time, random } = parts;
  let weights = allTo(targets[0], targets);
  let told: { weights: Weights; generation: number } | undefined;

  /** As the drivers with a note do: what was changed by hand may be told again. */
  function write(desired: Desired): ApplyResult {
    const refusal = fenced(name, told ?? { weights }, desired);
    const isDrifted = refusal?.kind === 'unchanged' && compared(name, held(), desired).kind !== 'converged';
    if (refusal && !isDrifted) return refusal;
    weights = desired.weights;
    told = { weights: desired.weights, generation: desired.generation };
    parts.onTold(desired);
    return { kind: 'applied' };
  }

  function arrived(desired: Desired, trouble: GatewayTrouble | undefined): ApplyResult {
    parts.onAsked(desired);
    if (trouble !== undefined) parts.onTrouble(trouble);
    switch (trouble) {
      case 'answers 500, not applied':
        return { kind: 'unknown', detail: 'answered 500' };
      case 'answers 500, though applied':
        write(desired);
        return { kind: 'unknown', detail: 'answered 500' };
      case 'answers 200, though dropped':
        return { kind: 'applied' };
      case 'refuses':
        return { kind: 'rejected', detail: 'answered 422' };
      case 'applies late':
        time.after(random() * latestMs, () => write(desired));
        return { kind: 'applied' };
      default:
        return write(desired);
    }
  }

  const held = (): GatewayState => ({ weights, ...(told && { generation: told.generation }) });

  function reach<T>(
    life: Life,
    signal: AbortSignal,
    effect: (trouble: GatewayTrouble | undefined) => T,
  ): Promise<T> {
    const [trouble] = parts.troubles();
    if (trouble === 'hangs') parts.onTrouble(trouble);
    const asked = life.ask(
      () => {
        if (trouble === 'is unreachable') throw new Error(`${name}: connect ECONNREFUSED`);
        return effect(trouble);
      },
      trouble === 'hangs' ? random() * hangsMs : 1 + random() * 20,
    );
    return within(signal, asked);
  }

  return {
    name,
    weights: () => weights,
    told: () => told,
    connect: life => ({
      read: (_route, signal) => reach(life, signal, held),
      apply: (_route, desired, signal) =>
        reach(life, signal, trouble => arrived(desired, trouble)).catch(unclear),
      verify: (_route, desired, signal) =>
        reach(life, signal, () => compared(name, held(), desired)).catch(unclear),
    }),
    changeByHand(given) {
      weights = given;
    },
    forget() {
      told = undefined;
      weights = allTo(targets[0], targets);
    },
  };
}

const unclear = (error: unknown) => ({ kind: 'unknown' as const, detail: String(error) });

/** One driver for all gateways of a route, as the controller builds it. */
export function driverFor(gateways: readonly FakeGateway[], life: Life): GatewayDriver {
  const driver: GatewayDriver = {
    capabilities: () => ({
      weights: true,
      granularity: 1,
      compareAndSet: true,
      durableAcrossRestarts: false,
      expectedEffectMs: 50,
    }),
    ...several(gateways.map(gateway => gateway.connect(life))),
    close: async () => undefined,
  };
  return guarded(driver, { kind: 'dry-run' });
}
