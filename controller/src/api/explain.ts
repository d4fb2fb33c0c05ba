import type { z } from 'zod';
import type { Confirmation } from '../apply/confirm.ts';
import { describeDecision } from '../decide/words.ts';
import { Refusal } from '../errors.ts';
import { openProposalAt } from '../record/proposals.ts';
import { type DecisionStretch, longestPauseMs } from '../record/route-decisions.ts';
import { findSwitchEvent, type SwitchEvent } from '../record/switch-events.ts';
import type { Status } from '../status.ts';
import { type Decision, isChange, type Proposal, serving, type Weights } from '../types.ts';
import { type HandParts, routeOf } from './by-hand.ts';
import type { explainRequest } from './requests.ts';
import { proposalView, switchEventView, time } from './views.ts';

/** What a route did at a time, and why: in words, and with everything that the decision rested on. */
export async function explain(parts: HandParts, request: z.output<typeof explainRequest>) {
  const { name } = routeOf(parts, request.route);
  const now = parts.clock.now();
  const at = request.at === undefined ? now : timeUntil(request.at, now);
  const stretch = await stretchAt(parts, name, at);
  const { begunAt, until, first, last = first } = stretch;
  const made = await changeMade(parts, stretch, at);
  const change = made ?? (await findSwitchEvent(parts.database, name, stretch.generation));
  const proposal = await openProposalAt(parts.database, name, at);
  const explained = { stretch, made, change, proposal };
  return {
    route: name,
    at: time(at),
    words: [
      ...sentences(explained),
      ...(request.at === undefined ? present(parts.loop.status(), name) : []),
    ].join('\n'),
    serving: made ? serving(made.weights) : stretch.serving,
    generation: made?.generation ?? stretch.generation,
    decision: last,
    decided: { since: time(begunAt), until: time(until), at_first: first },
    change: change ? switchEventView(change) : null,
    proposal: proposal ? proposalView(proposal) : null,
  };
}

function timeUntil(written: string, now: number): number {
  const at = Date.parse(written);
  if (at <= now) return at;
  throw new Refusal(
    422,
    'in_the_future',
    `at ${written} is yet to come`,
    'give an earlier time, or none for now',
  );
}

async function stretchAt({ loop, policy }: HandParts, route: string, at: number): Promise<DecisionStretch> {
  const stretch = await loop.decidedAt(route, at);
  if (!stretch)
    throw new Refusal(
      404,
      'nothing_decided',
      `no decision about ${route} is kept from ${time(at)} or before`,
      'ask for a later time; for now, wait until the gateway of the route answers, see model-status',
    );
  if (at - stretch.until <= longestPauseMs(policy.detection.tickMs)) return stretch;
  const until = time(stretch.until);
  throw new Refusal(
    404,
    'nothing_decided',
    `the controller did not decide about ${route} at ${time(at)}; its last decision before is from ${until}`,
    `ask for ${until}`,
  );
}

/** The event of a change that was done at once; what only a person may do may come later, or never. */
async function changeMade({ database }: HandParts, stretch: DecisionStretch, at: number) {
  if (!isChange(stretch.first)) return undefined;
  const event = await findSwitchEvent(database, stretch.route, stretch.generation + 1);
  return event && event.at <= at ? event : undefined;
}

interface Explained {
  readonly stretch: DecisionStretch;
  readonly made: SwitchEvent | undefined;
  readonly change: SwitchEvent | undefined;
  readonly proposal: Proposal | undefined;
}

function sentences({ stretch, made, change, proposal }: Explained): string[] {
  const { route, begunAt, until, first, last = first } = stretch;
  const weights = change ? shares(change.weights) : stretch.serving;
  const generation = made?.generation ?? stretch.generation;
  return [
    `${route}, generation ${generation}: ${weights}`,
    made
      ? `decided at ${time(begunAt)}: ${describeDecision(first)}`
      : `decided from ${time(begunAt)} to ${time(until)}: ${describeDecision(last)}`,
    ...(made || first.words === last.words || !restsOnEvidence(first) ? [] : [`at first: ${first.words}`]),
    change ? cameBy(change) : 'nothing has moved it since it was taken over',
    ...(proposal ? [waiting(proposal)] : []),
  ];
}

/** Of a healthy model, or of a wait, the beginning says nothing more. */
const restsOnEvidence = (decision: Decision) => decision.evidence !== undefined || 'otherwise' in decision;

const shares = (weights: Weights) =>
  Object.entries(weights)
    .filter(([, weight]) => weight > 0)
    .map(([model, weight]) => `${model} ${weight / 100} %`)
    .join(', ');

function cameBy({ generation, at, kind, from, to, actor, reason, appliedAt, outcome }: SwitchEvent): string {
  const told = appliedAt === undefined ? outcome : `the gateway held it at ${time(appliedAt)}`;
  return `generation ${generation} since ${time(at)}: ${kind} ${from} → ${to} by ${actor} (${told}): ${reason}`;
}

function waiting({ id, mode, kind, to, proposedAt, expiresAt }: Proposal): string {
  const until = expiresAt === undefined ? '' : `, until ${time(expiresAt)}`;
  return `proposal ${id} (mode ${mode}): ${kind} to ${to}, open since ${time(proposedAt)}${until}`;
}

/** What is wrong just now, if anything is, and whether the traffic is as told. */
function present({ problem, routes }: Status, route: string): string[] {
  const { gateway, traffic } = routes.get(route) ?? {};
  return [
    ...(problem === undefined ? [] : [`problem: ${problem}`]),
    ...(gateway && 'detail' in gateway ? [`the gateway does not hold it: ${gateway.detail}`] : []),
    ...(traffic ? [`traffic: ${describeTraffic(traffic)}`] : []),
  ];
}

function describeTraffic(traffic: Confirmation): string {
  switch (traffic.kind) {
    case 'confirmed':
      return `as told since ${time(traffic.since)}`;
    case 'not_followed':
      return `${traffic.detail} (since ${time(traffic.since)})`;
    case 'pending':
      return `not confirmed yet: ${traffic.detail}`;
    case 'untold':
      return `cannot be told: ${traffic.detail}`;
  }
}
