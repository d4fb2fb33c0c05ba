import type { Weights } from '../types.ts';

/** What a gateway can do; the controller asks before it plans. */
export interface Capabilities {
  /** Without weights a canary becomes probes and then a full switch. */
  readonly weights: boolean;
  /** The smallest share that it can hold, in basis points. */
  readonly granularity: number;
  readonly compareAndSet: boolean;
  readonly durableAcrossRestarts: boolean;
  /** How long until an accepted change shows. */
  readonly expectedEffectMs: number;
}

/** What a gateway says that it does now. */
export interface GatewayState {
  readonly weights: Weights;
  readonly generation?: number;
  readonly revision?: string;
}

/** The absolute state that a gateway is told; telling it twice changes nothing. */
export interface Desired {
  readonly weights: Weights;
  /** The fence: a gateway that knows a higher one refuses. */
  readonly generation: number;
  readonly reason: string;
}

/** `unknown` is an answer that says neither: a time-out, a 5xx. It is resolved by reading, never by assuming. */
export type ApplyResult =
  | { readonly kind: 'applied' | 'unchanged' }
  | { readonly kind: 'conflict' | 'rejected' | 'unknown'; readonly detail: string };

export type Verification =
  | { readonly kind: 'converged' }
  | { readonly kind: 'partial' | 'diverged' | 'unknown'; readonly detail: string };

/**
 * How a desired route state reaches one kind of gateway. Every method has a deadline by its signal. No address, error
 * or detail has a secret in it.
 */
export interface GatewayDriver {
  capabilities(): Capabilities;
  read(route: string, signal: AbortSignal): Promise<GatewayState>;
  apply(route: string, desired: Desired, signal: AbortSignal): Promise<ApplyResult>;
  verify(route: string, desired: Desired, signal: AbortSignal): Promise<Verification>;
  close(): Promise<void>;
}

/** What is held against what is wanted; `where` names the gateway. */
export function compared(where: string, held: GatewayState, desired: Desired): Verification {
  const { weights, generation = 0 } = held;
  if (generation === desired.generation && sameWeights(weights, desired.weights))
    return { kind: 'converged' };
  const detail =
    Object.keys(weights).length === 0 && held.generation === undefined
      ? `${where} was never told`
      : `${where} holds generation ${generation} with ${JSON.stringify(weights)}`;
  return { kind: 'diverged', detail };
}

/**
 * The fence, for gateways that have none of their own: what a change meets at this gateway before it is told. Nothing,
 * when it may be told. A gateway that serves and was never told anything is at generation 0, which nobody decided: it
 * is left as it is.
 */
export function fenced(where: string, held: GatewayState, desired: Desired): ApplyResult | undefined {
  if (compared(where, held, desired).kind === 'converged') return { kind: 'unchanged' };
  const { weights, generation = 0 } = held;
  const empty = Object.keys(weights).length === 0 && held.generation === undefined;
  if (empty || generation < desired.generation) return undefined;
  const detail = `${where} holds generation ${generation} with ${JSON.stringify(weights)}; read the route and decide again`;
  return { kind: 'conflict', detail };
}

/** A target without a weight has none. */
export function sameWeights(a: Weights, b: Weights): boolean {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every(
    model => (a[model] ?? 0) === (b[model] ?? 0),
  );
}
