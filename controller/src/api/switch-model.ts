import type { Route } from '@relaycore/rules';
import type { z } from 'zod';
import { isCritical } from '../decide/verdicts.ts';
import { allTo } from '../decide/weights.ts';
import { describeVerdict } from '../decide/words.ts';
import { Refusal } from '../errors.ts';
import { type NewSwitchEvent, outcomeOf } from '../record/switch-events.ts';
import { type Override, type Phase, type RouteState, serving, type Verdict, type Weights } from '../types.ts';
import {
  type Asked,
  byHand,
  expiryOf,
  type HandParts,
  overtaken,
  routeOf,
  type Sign,
  stateOf,
} from './by-hand.ts';
import type { switchRequest } from './requests.ts';

/** Without a target the one that serves is meant. */
type SwitchRequest = Omit<z.output<typeof switchRequest>, 'target'> & {
  readonly target?: string | undefined;
};

interface Moved {
  readonly route: string;
  readonly target: string;
  readonly generation: number;
  readonly weights: Weights;
  readonly expires_at: string | null;
}

/** A person moves a route; with `expires_at` it stays pinned until then. */
export async function switchModel(parts: HandParts, asked: Asked<SwitchRequest>) {
  const { target, force } = asked.request;
  if (target !== undefined && !force) await parts.loop.lookFirst(target);
  const moved = await byHand<SwitchRequest, Moved>(parts, asked, sign => move(parts, asked.request, sign));
  return { ...moved, outcome: await outcomeOf(parts.database, moved.route, moved.generation) };
}

async function move(parts: HandParts, request: SwitchRequest, sign: Sign<Moved>): Promise<Moved> {
  const route = routeOf(parts, request.route);
  if (request.target !== undefined) checkIsTarget(route, request.target);
  const state = await stateOf(parts, route, request);
  const from = serving(state.weights);
  const { expires_at = null, force, target = from } = request;
  if (!force) checkTarget(parts, target);
  const now = parts.clock.now();
  const expiresAt = expires_at === null ? undefined : expiryOf(expires_at, now);
  const next = nextState(route, state, { ...request, target, expiresAt }, now);
  const { generation, weights } = next;
  const moved: Moved = { route: route.name, target, generation, weights, expires_at };
  const effect = {
    route: route.name,
    generationBefore: state.generation,
    generationAfter: generation,
    detail: { from, target, expires_at, force },
  };
  const event = eventOf(parts, { ...request, target }, state, next);
  const result = await parts.loop.commit(next, event, transaction => sign(transaction, moved, [effect]));
  if (result === 'lost') throw overtaken();
  await parts.loop.refresh([route.name]);
  return moved;
}

function checkIsTarget({ name, targets }: Route, target: string): void {
  if (targets.includes(target)) return;
  throw new Refusal(
    422,
    'unknown_target',
    `"${target}" is no target of ${name}`,
    `use one of: ${targets.join(', ')}`,
  );
}

function checkTarget(parts: HandParts, target: string): void {
  const verdict = verdictOf(parts, target);
  const probe = parts.prober.results().get(target);
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

const verdictOf = ({ loop }: HandParts, target: string): Verdict =>
  loop.status().assessments.get(target)?.verdict ?? { kind: 'unknown', reason: 'never assessed' };

function nextState(
  route: Route,
  state: RouteState,
  { target, actor, reason, expiresAt }: Omit<Override, 'expiresAt'> & { expiresAt: number | undefined },
  now: number,
): RouteState {
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
    ...(state.freeze && { freeze: state.freeze }),
    updatedAt: now,
  };
}

function eventOf(
  parts: HandParts,
  { target, reason, actor, force }: SwitchRequest & { readonly target: string },
  before: RouteState,
  after: RouteState,
): NewSwitchEvent {
  return {
    route: after.route,
    generation: after.generation,
    kind: 'manual',
    from: serving(before.weights),
    to: target,
    reason,
    actor,
    weights: after.weights,
    at: after.updatedAt,
    decision: {
      kind: 'manual',
      words: reason,
      forced: force,
      generation: { before: before.generation, after: after.generation },
      phase: { before: before.phase, after: after.phase },
      weights: { before: before.weights, after: after.weights },
      target_verdict: verdictOf(parts, target),
    },
  };
}
