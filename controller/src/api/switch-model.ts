import { createHash } from 'node:crypto';
import type { Policy, Route } from '@relaycore/rules';
import type { z } from 'zod';
import type { Clock } from '../clock.ts';
import { isCritical } from '../decide/failover.ts';
import { allTo } from '../decide/weights.ts';
import { describeVerdict } from '../decide/words.ts';
import { Refusal } from '../errors.ts';
import type { Loop } from '../loop.ts';
import type { Prober } from '../read/probes.ts';
import type { Database } from '../record/database.ts';
import { keepResponse, keptResponse } from '../record/idempotency.ts';
import { loadRouteStates } from '../record/route-states.ts';
import { type NewSwitchEvent, outcomeOf } from '../record/switch-events.ts';
import { type Phase, type RouteState, serving, type Verdict, type Weights } from '../types.ts';
import type { switchRequest } from './requests.ts';

type SwitchRequest = z.output<typeof switchRequest>;

export interface SwitchParts {
  readonly policy: Policy;
  readonly loop: Loop;
  readonly database: Database;
  readonly clock: Clock;
  readonly prober: Prober;
}

interface Moved {
  readonly route: string;
  readonly target: string;
  readonly generation: number;
  readonly weights: Weights;
  readonly expires_at: string | null;
}

/** A person moves a route. The same idempotency key gives the same answer, and moves nothing twice. */
export async function switchModel(parts: SwitchParts, request: SwitchRequest, key: string | undefined) {
  return parts.loop.exclusively(async () => {
    const moved = (await movedBefore(parts.database, request, key)) ?? (await move(parts, request, key));
    return { ...moved, outcome: await outcomeOf(parts.database, moved.route, moved.generation) };
  });
}

async function movedBefore(
  database: Database,
  request: SwitchRequest,
  key: string | undefined,
): Promise<Moved | undefined> {
  const kept = key === undefined ? undefined : await keptResponse(database, key);
  if (kept && kept.digest !== digestOf(request))
    throw new Refusal(
      422,
      'idempotency_key_reused',
      'this Idempotency-Key was used for another request',
      'use a new key',
    );
  return kept?.response as Moved | undefined;
}

const digestOf = (request: SwitchRequest) =>
  createHash('sha256').update(JSON.stringify(request)).digest('hex');

async function move(
  { policy, loop, database, clock, prober }: SwitchParts,
  request: SwitchRequest,
  key: string | undefined,
): Promise<Moved> {
  const route = routeOf(policy, request);
  const state = (await loadRouteStates(database)).get(route.name);
  if (!state)
    throw new Refusal(
      409,
      'not_taken_over',
      `${route.name} has no state yet`,
      'wait until its gateway answers, see model-status',
    );
  checkGeneration(state, request);
  checkTarget(loop, prober, request);
  const now = clock.now();
  const expiresAt = request.expires_at === undefined ? undefined : Date.parse(request.expires_at);
  if (expiresAt !== undefined && expiresAt <= now)
    throw new Refusal(
      422,
      'expired',
      `expires_at ${request.expires_at} is in the past`,
      'give a later time, or leave it out',
    );
  const next = nextState(route, state, request, expiresAt, now);
  const moved: Moved = {
    route: route.name,
    target: request.target,
    generation: next.generation,
    weights: next.weights,
    expires_at: request.expires_at ?? null,
  };
  const event: NewSwitchEvent = {
    route: route.name,
    generation: next.generation,
    kind: 'manual',
    from: serving(state.weights),
    to: request.target,
    reason: request.reason,
    actor: request.actor,
    weights: next.weights,
    at: now,
    decision: {
      kind: 'manual',
      words: request.reason,
      forced: request.force,
      generation: { before: state.generation, after: next.generation },
      phase: { before: state.phase, after: next.phase },
      weights: { before: state.weights, after: next.weights },
      target_verdict: verdictOf(loop, request.target),
    },
  };
  const result = await loop.commit(next, event, async transaction => {
    // In the same transaction: a move without its answer kept could be made again.
    if (key !== undefined) await keepResponse(transaction, key, digestOf(request), moved);
  });
  if (result === 'lost')
    throw new Refusal(
      409,
      'generation_conflict',
      'somebody else changed this route meanwhile',
      'look at model-status and send it again',
    );
  return moved;
}

function routeOf(policy: Policy, { route: name, target }: SwitchRequest): Route {
  const route = policy.routes[name];
  if (!route)
    throw new Refusal(
      404,
      'unknown_route',
      `there is no route "${name}"`,
      `use one of: ${Object.keys(policy.routes).join(', ')}`,
    );
  if (!route.targets.includes(target))
    throw new Refusal(
      422,
      'unknown_target',
      `"${target}" is no target of ${name}`,
      `use one of: ${route.targets.join(', ')}`,
    );
  return route;
}

function checkGeneration(state: RouteState, { expected_generation: expected }: SwitchRequest): void {
  if (expected === undefined || expected === state.generation) return;
  throw new Refusal(
    409,
    'generation_conflict',
    `the route is at generation ${state.generation}, not ${expected}`,
    'look at model-status, and send the generation that you decided on',
    { generation: state.generation },
  );
}

function checkTarget(loop: Loop, prober: Prober, { target, force }: SwitchRequest): void {
  if (force) return;
  const verdict = verdictOf(loop, target);
  const probe = prober.results().get(target);
  const objection = isCritical(verdict)
    ? `${target} is degraded: ${describeVerdict(verdict)}`
    : probe?.kind === 'failed' && verdict.kind !== 'healthy'
      ? `${target} fails its probe: ${probe.reason}`
      : undefined;
  if (objection !== undefined)
    throw new Refusal(
      409,
      'target_degraded',
      objection,
      'choose another target, or send "force": true if you know better',
    );
}

const verdictOf = (loop: Loop, target: string): Verdict =>
  loop.status().assessments.get(target)?.verdict ?? { kind: 'unknown', reason: 'never assessed' };

function nextState(
  route: Route,
  state: RouteState,
  request: SwitchRequest,
  expiresAt: number | undefined,
  now: number,
): RouteState {
  const { target, actor, reason } = request;
  const phase: Phase =
    target === route.targets[0]
      ? { kind: 'primary', since: now }
      : { kind: 'failed_over', to: target, since: now, cause: { signal: 'manual', reason } };
  return {
    route: route.name,
    generation: state.generation + 1,
    weights: allTo(target, route.targets),
    phase,
    backoff: { ...state.backoff, ...(target === route.targets[0] && { returnedAt: now }) },
    ...(expiresAt !== undefined && { override: { target, actor, reason, expiresAt } }),
    updatedAt: now,
  };
}
