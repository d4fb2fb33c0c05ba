import type { Logger } from 'pino';
import { endOf, expiryOf, type Following, mayPropose } from './decide/propose.ts';
import type { Plan } from './plan.ts';
import type { Database } from './record/database.ts';
import { closeProposal, insertProposal, lastRefused, type NewProposal } from './record/proposals.ts';
import { isChange, type Proposal, type RouteState } from './types.ts';

export interface ProposeParts {
  readonly database: Database;
  readonly log: Logger;
}

export interface ToFollow extends Following {
  readonly state: RouteState;
  readonly plan: Plan;
  /** Since when the same is decided. */
  readonly since: number;
  readonly open: Proposal | undefined;
}

/** Brings a route's proposal in line with what is decided now; returns the one that is open then. */
export async function followProposal(
  { database, log }: ProposeParts,
  following: ToFollow,
): Promise<Proposal | undefined> {
  const { open, decision, now } = following;
  const end = open && endOf(open, following);
  if (open && !end) return open;
  if (open && end && (await closeProposal(database, open.id, { status: end, at: now })))
    log.info({ route: open.route, proposal: open.id, kind: open.kind, to: open.to }, `proposal ${end}`);
  const proposal = newProposal(following);
  if (!isChange(decision) || !proposal) return undefined;
  const refused = await lastRefused(database, proposal.route, proposal);
  if (!mayPropose(decision, refused, following, following.since)) return undefined;
  const made = await insertProposal(database, proposal);
  if (made)
    log.info(
      {
        route: made.route,
        proposal: made.id,
        mode: made.mode,
        kind: made.kind,
        from: made.from,
        to: made.to,
      },
      `proposed: ${made.words}`,
    );
  return made;
}

/** In mode `auto` nobody is asked. */
function newProposal({ route, state, plan, now }: ToFollow): NewProposal | undefined {
  const { decision, change } = plan;
  if (route.mode === 'auto' || !isChange(decision) || !change) return undefined;
  const { kind, from, to, words } = decision;
  const expiresAt = expiryOf(route, now);
  return {
    route: route.name,
    generation: state.generation,
    mode: route.mode,
    kind,
    from,
    to,
    words,
    decision: change.event.decision,
    proposedAt: now,
    ...(expiresAt !== undefined && { expiresAt }),
  };
}
