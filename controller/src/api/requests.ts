import { z } from 'zod';
import { Refusal } from '../errors.ts';

/** What callers may send. Every problem is listed, with its place. */
export const switchRequest = z.strictObject({
  route: z.string().min(1),
  target: z.string().min(1),
  reason: z.string().trim().min(1).max(200),
  actor: z.string().trim().min(1).max(255).default('api'),
  expires_at: z.iso.datetime({ offset: true }).optional(),
  expected_generation: z.int().min(0).optional(),
  force: z.boolean().default(false),
});

const page = {
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: z.coerce.number().int().min(1).optional(),
};

export const historyRequest = z.strictObject({
  route: z.string().optional(),
  model: z.string().optional(),
  kind: z.enum(['failover', 'probe', 'ramp', 'failback', 'manual']).optional(),
  ...page,
});

export const alertsRequest = z.strictObject({
  model: z.string().optional(),
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
