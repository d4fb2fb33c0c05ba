import { z } from 'zod';
import { Refusal } from '../errors.ts';

/** PostgreSQL keeps every character but NUL. */
const text = z
  .string()
  .refine(written => written.isWellFormed() && !written.includes('\0'), 'has NUL or half a character');

/** What callers may send. Every problem is listed, with its place. */
export const switchRequest = z.strictObject({
  route: text.min(1),
  target: text.min(1),
  reason: text.trim().min(1).max(200),
  actor: text.trim().min(1).max(255).default('api'),
  expires_at: z.iso.datetime({ offset: true }).optional(),
  expected_generation: z.int().min(0).optional(),
  force: z.boolean().default(false),
});

const largestId = 2 ** 31 - 1;
const page = {
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: z.coerce.number().int().min(1).max(largestId).optional(),
};

export const historyRequest = z.strictObject({
  route: text.optional(),
  model: text.optional(),
  kind: z.enum(['failover', 'probe', 'ramp', 'failback', 'manual']).optional(),
  ...page,
});

export const alertsRequest = z.strictObject({
  model: text.optional(),
  severity: z.enum(['warning', 'critical']).optional(),
  active: z.stringbool().optional(),
  ...page,
});

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
