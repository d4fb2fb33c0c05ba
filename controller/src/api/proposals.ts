import type { z } from 'zod';
import { isSameChange } from '../decide/propose.ts';
import { describeDecision } from '../decide/words.ts';
import { Refusal } from '../errors.ts';
import type { Plan } from '../plan.ts';
import type { Transaction } from '../record/database.ts';
import { type Closing, closeProposal, findProposal } from '../record/proposals.ts';
import { outcomeOf } from '../record/switch-events.ts';
import { isChange, type Proposal, type RouteState, type Weights } from '../types.ts';
import { type Asked, byHand, type HandParts, overtaken, routeOf, stateOf } from './by-hand.ts';
import type { approveRequest, rejectRequest } from './requests.ts';
import { decisionView, proposalView } from './views.ts';

type ApproveRequest = z.output<typeof approveRequest>;

interface Approved {
  readonly proposal: number;
  readonly route: string;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly generation: number;
  readonly weights: Weights;
}

/** Makes exactly the proposed change, if it is what would be decided now. */
export async function approve(parts: HandParts, asked: Asked<ApproveRequest>) {
  const { actor } = asked.request;
  const signed = { ...asked, request: { ...asked.request, reason: asked.request.reason ?? 'approved' } };
  await parts.loop.lookFirst((await openProposal(parts, asked.request.id)).to);
  const approved = await byHand<typeof signed.request, Approved>(parts, signed, async sign => {
    const proposal = await openProposal(parts, asked.request.id);
    const state = await stateOf(parts, routeOf(parts, proposal.route), asked.request);
    const { next, event } = changeNow(parts, proposal, state);
    const { id, route, kind, from, to } = proposal;
    const { generation, weights } = next;
    const done: Approved = { proposal: id, route, kind, from, to, generation, weights };
    const { reason } = signed.request;
    const decision = { ...(event.decision as object), approved: { proposal: id, actor, reason } };
    const result = await parts.loop.commit(next, { ...event, actor, decision }, async transaction => {
      await close(transaction, id, { status: 'approved', at: parts.clock.now(), actor, comment: reason });
      const effect = { generationBefore: state.generation, generationAfter: generation };
      await sign(transaction, done, [{ route, ...effect, detail: { proposal: id, kind, from, to } }]);
    });
    if (result === 'lost') throw overtaken();
    await parts.loop.refresh([route]);
    return done;
  });
  return { ...approved, outcome: await outcomeOf(parts.database, approved.route, approved.generation) };
}

/** The same change is not proposed again for a while. */
export function reject(parts: HandParts, asked: Asked<z.output<typeof rejectRequest>>) {
  const { actor, reason } = asked.request;
  return byHand(parts, asked, async sign => {
    const { id, route: name, kind, from, to } = await openProposal(parts, asked.request.id);
    const route = routeOf(parts, name);
    const { generation } = await stateOf(parts, route, asked.request);
    const at = parts.clock.now();
    const notBefore = new Date(at + route.approval.rejectedMs).toISOString();
    const done = { proposal: id, route: name, kind, from, to, generation, not_proposed_before: notBefore };
    await parts.database.transaction(async transaction => {
      await close(transaction, id, { status: 'rejected', at, actor, comment: reason });
      const effect = { generationBefore: generation, generationAfter: generation };
      await sign(transaction, done, [{ route: name, ...effect, detail: { proposal: id, kind, from, to } }]);
    });
    await parts.loop.refresh([name]);
    return done;
  });
}

async function openProposal({ database, clock }: HandParts, id: number): Promise<Proposal> {
  const proposal = await findProposal(database, id);
  if (!proposal)
    throw new Refusal(404, 'unknown_proposal', `there is no proposal ${id}`, 'see the list of proposals');
  const isLate = proposal.expiresAt !== undefined && proposal.expiresAt <= clock.now();
  const status = proposal.status === 'open' && isLate ? 'expired' : proposal.status;
  if (status === 'open') return proposal;
  throw notOpen(id, `${status}${proposal.actor === undefined ? '' : ` by ${proposal.actor}`}`, proposal);
}

function notOpen(id: number, closed: string, proposal?: Proposal): Refusal {
  return new Refusal(
    409,
    'not_open',
    `proposal ${id} is no longer open: ${closed}`,
    'see the list of proposals for one that is open',
    proposal && { proposal: proposalView(proposal) },
  );
}

async function close(transaction: Transaction, id: number, closing: Closing): Promise<void> {
  if (!(await closeProposal(transaction, id, closing))) throw notOpen(id, 'closed meanwhile');
}

/** What would be done now, which has to be what was proposed then. */
function changeNow(parts: HandParts, proposal: Proposal, state: RouteState): Required<Plan>['change'] {
  const route = routeOf(parts, proposal.route);
  if (route.mode !== 'approve')
    throw new Refusal(
      409,
      'not_to_approve',
      `${route.name} is in mode ${route.mode}, in which a proposal is only told`,
      'move the route by hand (switch-model), or set its mode to approve',
    );
  const { problem } = parts.loop.status();
  const plan = parts.loop.plan(route, state);
  const decision = plan?.decision;
  if (
    problem === undefined &&
    plan?.change &&
    decision &&
    isChange(decision) &&
    isSameChange(decision, proposal)
  )
    return plan.change;
  throw new Refusal(
    409,
    'not_decided_now',
    `${proposal.kind} to ${proposal.to} is not what would be decided now: ${problem ?? (decision ? describeDecision(decision) : 'nothing was read yet')}`,
    'look at explain; move the route by hand (switch-model) if you know better',
    decision && { decision: decisionView(decision) },
  );
}
