import { z } from 'zod';
import { Refusal } from '../errors.ts';
import { actions } from '../record/audit.ts';
import { switchKinds } from '../record/switch-events.ts';

/** PostgreSQL keeps every character but NUL. */
const text = z
  .string()
  .refine(written => written.isWellFormed() && !written.includes('\0'), 'has NUL or half a character');

const time = z.iso.datetime({ offset: true });

/** What every request of a person says. */
const signed = {
  reason: text.trim().min(1).max(200),
  actor: text.trim().min(1).max(255).default('api'),
};
const route = text.min(1);
const decided = { ...signed, expected_generation: z.int().min(0).optional() };

/** What callers may send. Every problem is listed, with its place. */
export const switchRequest = z.strictObject({
  route,
  target: text.min(1),
  ...decided,
  expires_at: time.optional(),
  force: z.boolean().default(false),
});

/** Without a target the one that serves is pinned. */
export const pinRequest = switchRequest.extend({ target: text.min(1).optional(), expires_at: time });

export const handRequest = z.strictObject({ route, ...decided });
export const freezeRequest = z.strictObject({ route, ...decided, expires_at: time });
export const freezeAllRequest = z.strictObject({ ...signed, expires_at: time });
export const unfreezeAllRequest = z.strictObject(signed);

const largestId = 2 ** 31 - 1;
const id = z.coerce.number().int().min(1).max(largestId);

/** A yes may rest on the proposal's own words; a no has a reason. */
export const approveRequest = z.strictObject({
  id,
  ...decided,
  reason: signed.reason.optional(),
});
export const rejectRequest = z.strictObject({ id, ...decided });

const page = {
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: id.optional(),
};

export const historyRequest = z.strictObject({
  route: text.optional(),
  model: text.optional(),
  kind: z.enum(switchKinds).optional(),
  ...page,
});

export const alertsRequest = z.strictObject({
  model: text.optional(),
  severity: z.enum(['warning', 'critical']).optional(),
  active: z.stringbool().optional(),
  ...page,
});

export const proposalsRequest = z.strictObject({
  route: text.optional(),
  status: z.enum(['open', 'approved', 'rejected', 'expired', 'withdrawn', 'superseded']).optional(),
  ...page,
});

export const auditRequest = z.strictObject({
  route: text.optional(),
  actor: text.optional(),
  action: z.enum(actions).optional(),
  ...page,
});

export const explainRequest = z.strictObject({ route, at: time.optional() });

export function parseRequest<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(issue => ({
    path: issue.path.join('.') || '(body)',
    message: issue.message,
  }));
  throw new Refusal(
    422,
    'invalid_request',
    `the request cannot be understood: ${problems.map(({ path, message }) => `${path}: ${message}`).join('; ')}`,
    'correct the fields that are listed under problems and send it again',
    { problems },
  );
}

/** The key of a request that may be repeated; undefined when it has none. */
export function idempotencyKeyOf(header: string | undefined): string | undefined {
  if (header === undefined || (header.length >= 1 && header.length <= 255)) return header;
  throw new Refusal(
    422,
    'invalid_idempotency_key',
    `the Idempotency-Key has ${header.length} characters`,
    'send one of 1 to 255 characters, such as a UUID, or none',
  );
}
