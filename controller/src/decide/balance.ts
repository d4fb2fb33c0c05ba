import type { Balance } from '@relaycore/rules';
import {
  type Alternative,
  type Change,
  type Decision,
  isChange,
  type SignalAssessment,
  serving,
  type Weights,
} from '../types.ts';
import { backoffAfterFailover } from './backoff.ts';
import { vet } from './backups.ts';
import { failover } from './failover.ts';
import { type Claim, divided, sum, towards } from './shares.ts';
import type { Situation } from './situation.ts';
import { largestShare } from './spread.ts';
import { numbersOf, type Standing, sharesNow, standingsOf } from './standing.ts';
import { isRecovering, troubleSince, verdictOf } from './verdicts.ts';
import { allTo } from './weights.ts';
import { hold, measured } from './words.ts';

/*
 * Where the policy asks for it, a healthy route is spread over its targets by how they do.
 *
 * The share of a target is in proportion to
 *
 *     (success rate · mean accuracy)^8 / (mean latency / success rate)
 *
 * Shares in inverse proportion to the latency give every target the same number of requests in flight (Little's law):
 * a target with room for twice as many at a time gets twice as many. Since the requests in flight grow with the share
 * whatever the target is like, there is exactly one such division. A failed request counts as time that has to be spent
 * again, so that a target that fails fast attracts nobody. Quality is a ratio close to 1, so it is raised to a power:
 * a tenth less of it weighs as much as 2.3 times the latency.
 *
 * More load makes a target slower, so where a step leads moves while it is taken. A server that is busy to the part u
 * moves it by u / (1 − u) against the step; going a quarter of the way comes to rest as long as that is below 7, at
 * seven eighths of its capacity, and also quarters the noise of what was measured. Beyond that `step_percent` bounds
 * the swing.
 */

/** How much of the way a step goes. */
const damping = 0.25;
/** A step that moves no share by at least one percent is left out. */
const leastMove = 100;

/** What the primary's route does once it is healthy: it begins to spread, if the policy says so. */
export function decideSpreading(situation: Situation, healthy: Decision): Decision {
  const { route, allOrNothing } = situation;
  if (!route.balance) return healthy;
  if (allOrNothing)
    return { ...healthy, words: `${healthy.words}; it is not balanced, because its gateway holds no shares` };
  const step = rebalance(situation, route.balance);
  return isChange(step) ? step : healthy;
}

/** All healthy targets serve. A critical one is left at once; otherwise the shares follow what was measured. */
export function decideBalanced(situation: Situation): Decision {
  const { route, allOrNothing } = situation;
  const leaving = leaveCritical(situation);
  if (leaving) return leaving;
  return route.balance && !allOrNothing ? rebalance(situation, route.balance) : stopBalancing(situation);
}

interface Trouble {
  readonly model: string;
  readonly evidence: SignalAssessment;
}

function leaveCritical(situation: Situation): Decision | undefined {
  const { route, state } = situation;
  const shares = sharesNow(situation);
  const troubles = route.targets
    .filter(model => shares[model]! > 0)
    .flatMap((model): Trouble[] => {
      const evidence = troubleSince(situation, model, state.phase.since);
      return evidence ? [{ model, evidence }] : [];
    })
    .sort((one, other) => shares[other.model]! - shares[one.model]!);
  const worst = troubles.find(({ evidence }) => !isRecovering(evidence));
  if (worst) return leave(situation, worst, troubles);
  const [over] = troubles;
  if (!over) return undefined;
  const { model, evidence } = over;
  const words = `${model} keeps its share and is recovering (${measured(evidence, 'critical')})`;
  return hold('recovering', words, { evidence });
}

/**
 * Whether it is left, and what holds that back, is decided as for any failover. Those that carry traffic already have
 * shown that they do it well, so they take over together; only where there are none, a drained target takes all.
 */
function leave(situation: Situation, { model, evidence }: Trouble, troubles: readonly Trouble[]): Decision {
  const { now } = situation;
  const backoff = backoffAfterFailover(situation);
  const decision = failover(situation, { leaving: model, reason: 'degraded', evidence, backoff });
  if (!isChange(decision)) return decision;
  const shares = sharesNow(situation);
  const isTroubled = (other: string) => troubles.some(trouble => trouble.model === other);
  const takers = decision.alternatives!.filter(
    other => canTakeOver(other, shares) && !isTroubled(other.model),
  );
  if (takers.length === 0) return decision;
  const left = troubles.filter(trouble => !isRecovering(trouble.evidence)).map(trouble => trouble.model);
  const weights = without(
    situation,
    left,
    takers.map(taker => taker.model),
  );
  const { to, words } = describeMove(shares, weights);
  return {
    ...decision,
    to,
    words: `${model}: ${measured(evidence, 'critical')}; those that carry traffic already take over: ${words}`,
    alternatives: decision.alternatives!.map(other => ({ ...other, chosen: takers.includes(other) })),
    next: { weights, phase: { kind: 'balanced', since: now }, backoff },
  };
}

const canTakeOver = ({ model, vetted, verdict }: Alternative, shares: Weights) =>
  vetted && verdict.kind === 'healthy' && shares[model]! > 0;

/** The shares of some go to others, in proportion to what those have; what these have no room for stays. */
function without(situation: Situation, leaving: readonly string[], takers: readonly string[]): Weights {
  const shares = sharesNow(situation);
  const shareOf = (model: string) => shares[model]!;
  const [freed, taken] = [leaving, takers].map(some => sum(some.map(shareOf)));
  const claims = takers.map(model => {
    const share = shareOf(model);
    return { score: share, least: share, most: roomFor(situation, model, share) };
  });
  const taking = divided(freed! + taken!, claims) ?? claims.map(({ most }) => most);
  const there = new Map(takers.map((model, i) => [model, taking[i]!]));
  for (const model of leaving) there.set(model, 0);
  there.set(leaving[0]!, freed! + taken! - sum(taking));
  const models = Object.keys(shares);
  const goals = models.map(model => there.get(model) ?? shareOf(model));
  return weightsOf(models, towards(Object.values(shares), goals, 1, fullShare));
}

/** Who has more than it states to take keeps what it has. */
const roomFor = (situation: Situation, model: string, share: number) =>
  Math.max(share, largestShare(situation, model));

const fullShare = 10_000;

function rebalance(situation: Situation, balance: Balance): Decision {
  const { state, now } = situation;
  const standings = standingsOf(situation, balance);
  const unknown = allUnknown(situation);
  if (unknown !== undefined) return hold('unknown', `every target that serves is unknown: ${unknown}`);
  const numbers = standings.map(numbersOf).join('; ');
  const problem = situation.latencies?.problem;
  if (problem !== undefined) return hold('not_measured', `${numbers}; ${problem}`);
  const waitMs = state.phase.since + balance.everyMs - now;
  if (waitMs > 0)
    return hold('balance_time', `${numbers}; the shares may move again in ${Math.ceil(waitMs / 1000)} s`);
  const here = standings.map(({ share }) => share);
  const there = divisionOf(situation, standings, balance);
  if (!there)
    return hold(
      'not_measured',
      `${numbers}; nobody may gain what another one would lose, so the shares stay`,
    );
  const isMoving = standings.some(isMovedIn);
  const step = towards(here, there, isMoving ? 1 : damping, balance.stepPercent * 100);
  const largest = Math.max(...step.map((share, i) => Math.abs(share - here[i]!)));
  if (largest < (isMoving ? 1 : leastMove))
    return hold('balanced', `${numbers}; the next step would move no share by a whole percent`);
  return move(situation, standings, weightsOf(situation.route.targets, step));
}

/** A target comes in, or one that takes no part any more goes out: a step of its own, and not by what was measured. */
const isMovedIn = ({ kind, share }: Standing) => kind === 'enters' || (kind === 'out' && share > 0);

/** Why, when of no target that carries traffic anything is known. */
function allUnknown(situation: Situation): string | undefined {
  const shares = sharesNow(situation);
  const carrying = situation.route.targets.filter(model => shares[model]! > 0);
  const reasons = carrying.flatMap(model => {
    const verdict = verdictOf(situation, model);
    return verdict.kind === 'unknown' ? [`${model}: ${verdict.reason}`] : [];
  });
  return reasons.length === carrying.length ? reasons.join('; ') : undefined;
}

/** Where the shares should be in the end. Undefined where nobody may gain what another one loses. */
function divisionOf(
  situation: Situation,
  standings: readonly Standing[],
  balance: Balance,
): readonly number[] | undefined {
  const isMoving = standings.some(isMovedIn);
  const claims = (most: number) =>
    standings.map(standing => {
      const room = roomFor(situation, standing.model, standing.share);
      return claimOf(standing, balance.minimumPercent * 100, Math.min(most, room), isMoving);
    });
  // The maximum gives way where the others may not take the rest.
  return divided(fullShare, claims(balance.maximumPercent * 100)) ?? divided(fullShare, claims(fullShare));
}

function claimOf(
  { kind, share, score }: Standing,
  minimum: number,
  maximum: number,
  isMoving: boolean,
): Claim {
  // Who comes in or goes out leaves the others in the proportions that they have.
  const deserves = isMoving ? Math.max(share, 1) : score;
  switch (kind) {
    case 'gains':
      return { score: deserves, least: Math.min(minimum, share), most: maximum };
    case 'loses':
      return { score: deserves, least: Math.min(minimum, share), most: share };
    case 'keeps':
      return { score: 1, least: share, most: share };
    case 'enters':
      return { score: 1, least: minimum, most: minimum };
    case 'out':
      return { score: 1, least: 0, most: 0 };
  }
}

function move(situation: Situation, standings: readonly Standing[], weights: Weights): Change {
  const { state, now } = situation;
  const returning = standings.find(({ kind, verdict }) => kind === 'enters' && verdict.kind === 'degraded');
  const { from, to, words } = describeMove(sharesNow(situation), weights);
  return {
    kind: 'balance',
    reason: 'measured',
    words: `${words} (${standings.map(numbersOf).join('; ')})`,
    alternatives: standings.map(standing => ({
      model: standing.model,
      verdict: standing.verdict,
      vetted: standing.vetted,
      chosen: weights[standing.model]! > standing.share,
      why: numbersOf(standing),
    })),
    from,
    to,
    next: {
      weights,
      phase: { kind: 'balanced', since: now },
      backoff: returning ? { ...state.backoff, returnedAt: now } : state.backoff,
    },
  };
}

/** `spam-v1 60 % → 55 %, spam-v2 40 % → 45 %`, with the one that loses most and the one that gains most. */
function describeMove(before: Weights, after: Weights) {
  const moves = Object.entries(after)
    .map(([model, share]) => ({ model, share, was: before[model] ?? 0 }))
    .filter(({ share, was }) => share !== was)
    .sort((one, other) => one.share - one.was - (other.share - other.was));
  const words = moves.map(({ model, share, was }) => `${model} ${was / 100} % → ${share / 100} %`).join(', ');
  return { from: moves[0]!.model, to: moves.at(-1)!.model, words };
}

/**
 * The policy balances it no more. The primary takes all if it serves and is vouched for; else whoever serves most does,
 * and the primary comes back as after any failover.
 */
function stopBalancing(situation: Situation): Change {
  const { route, state, now } = situation;
  const [primary] = route.targets;
  const shares = sharesNow(situation);
  const isGood = shares[primary]! > 0 && vet(situation, primary, verdictOf(situation, primary)).vetted;
  const others = { ...shares, ...(!isGood && { [primary]: 0 }) };
  const to = isGood || serving(others) === primary ? primary : serving(others);
  const from = serving(shares) === to ? (route.targets.find(model => model !== to) ?? to) : serving(shares);
  const reason = `the route is not balanced any more, so that ${to} serves all of it (${shares[to]! / 100} % until now)`;
  return {
    kind: to === primary ? 'failback' : 'failover',
    reason: 'not_balanced',
    words: reason,
    from,
    to,
    next: {
      weights: allTo(to, route.targets),
      phase:
        to === primary
          ? { kind: 'primary', since: now }
          : { kind: 'failed_over', to, since: now, cause: { signal: 'manual', reason } },
      backoff: state.backoff,
    },
  };
}

const weightsOf = (models: readonly string[], shares: readonly number[]): Weights =>
  Object.fromEntries(models.map((model, i) => [model, shares[i]!]));
