import { createHash } from 'node:crypto';
import type { Policy, Route } from '@relaycore/rules';
import type { Clock } from '../clock.ts';
import { Refusal } from '../errors.ts';
import type { Loop } from '../loop.ts';
import type { Prober } from '../read/probes.ts';
import { type Action, appendAudit, type NewAuditEntry } from '../record/audit.ts';
import type { Database, Transaction } from '../record/database.ts';
import { keepResponse, keptResponse } from '../record/idempotency.ts';
import { loadRouteStates } from '../record/route-states.ts';
import type { RouteState } from '../types.ts';

/* What every request of a person has in common: who, why, on which generation, and once a key. */

export interface HandParts {
  readonly policy: Policy;
  readonly loop: Loop;
  readonly database: Database;
  readonly clock: Clock;
  readonly prober: Prober;
}

/** What a person asks for, and how it came. */
export interface Asked<Request> {
  readonly action: Action;
  readonly request: Request;
  /** The same key gives the same answer, and does nothing twice. */
  readonly key: string | undefined;
  readonly source: string;
}

/** Belongs last into the transaction of the effect: an effect without its answer kept could be made again. */
export type Sign<Done> = (transaction: Transaction, done: Done, effects: readonly Effect[]) => Promise<void>;

/** What was done to one route. */
export interface Effect extends Pick<NewAuditEntry, 'route' | 'generationBefore' | 'generationAfter'> {
  readonly detail: Readonly<Record<string, unknown>>;
}

interface Signed {
  readonly actor: string;
  readonly reason: string;
}

/** Runs between two rounds; what was answered to this key before is answered again. */
export async function byHand<Request extends Signed, Done>(
  { loop, database, clock }: HandParts,
  { action, request, key, source }: Asked<Request>,
  work: (sign: Sign<Done>) => Promise<Done>,
): Promise<Done> {
  const digest = createHash('sha256')
    .update(JSON.stringify([action, request]))
    .digest('hex');
  const sign: Sign<Done> = async (transaction, done, effects) => {
    const { actor, reason } = request;
    const shared = {
      at: clock.now(),
      actor,
      action,
      reason,
      source,
      ...(key !== undefined && { idempotencyKey: key }),
    };
    if (key !== undefined) await keepResponse(transaction, key, digest, done);
    await appendAudit(
      transaction,
      effects.map(effect => ({ ...shared, ...effect })),
    );
  };
  return loop.exclusively(async () => {
    const before = key === undefined ? undefined : await keptResponse(database, key);
    if (!before) return work(sign);
    if (before.digest === digest) return before.response as Done;
    throw new Refusal(
      422,
      'idempotency_key_reused',
      'this Idempotency-Key was used for another request',
      'use a new key',
    );
  });
}

export function routeOf({ policy }: HandParts, name: string): Route {
  const route = policy.routes[name];
  if (route) return route;
  throw new Refusal(
    404,
    'unknown_route',
    `there is no route "${name}"`,
    `use one of: ${Object.keys(policy.routes).join(', ')}`,
  );
}

/** The route as it is now, if it is still the one that was decided on. */
export async function stateOf(
  { database }: HandParts,
  { name }: Route,
  { expected_generation: expected }: { readonly expected_generation?: number | undefined },
): Promise<RouteState> {
  const state = (await loadRouteStates(database)).get(name);
  if (!state)
    throw new Refusal(
      409,
      'not_taken_over',
      `${name} has no state yet`,
      'wait until its gateway answers, see model-status',
    );
  if (expected === undefined || expected === state.generation) return state;
  throw new Refusal(
    409,
    'generation_conflict',
    `the route is at generation ${state.generation}, not ${expected}`,
    'look at model-status, and send the generation that you decided on',
    { generation: state.generation },
  );
}

/** A time to come, in epoch milliseconds. */
export function expiryOf(written: string, now: number): number {
  const at = Date.parse(written);
  if (at > now) return at;
  throw new Refusal(422, 'expired', `expires_at ${written} is in the past`, 'give a later time');
}

export const overtaken = () =>
  new Refusal(
    409,
    'generation_conflict',
    'somebody else changed this route meanwhile',
    'look at model-status and send it again',
  );
