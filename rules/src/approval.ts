import type { ApprovalFile } from './schema.ts';

/** How long a proposed change waits for a person, and how long a rejection holds. */
export interface Approval {
  readonly expiresMs: number;
  readonly rejectedMs: number;
}

/** What the policy does not say, for a route or for all of them, is as shipped. */
export function resolveApproval({
  expires_minutes: expires = 30,
  rejected_minutes: rejected = 60,
}: ApprovalFile): Approval {
  return { expiresMs: expires * 60_000, rejectedMs: rejected * 60_000 };
}
