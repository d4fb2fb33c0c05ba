import type { IncomingMessage, ServerResponse } from 'node:http';
import { tokenCheck } from './bearer.ts';
import { type DelayedOutcome, type DelayedTruth, isRequestId } from './delayed.ts';
import { longestRequestId } from './remembered.ts';

export interface FeedbackRouterOptions {
  /** What has to be shown as `Authorization: Bearer …`. Default: whoever reaches the server may send feedback. */
  readonly bearerToken?: string;
  /** The evaluation names that scores may have. Default: none, so that nothing but ratings is taken. */
  readonly names?: readonly string[];
  /** The scale of ratings. Default: 0 to 1. */
  readonly scale?: { readonly min: number; readonly max: number };
}

/** A request whose body a parser before this one may have read. */
type ParsedRequest = IncomingMessage & { readonly body?: unknown };

/** Middleware of Express and its like; without a `next`, the listener of a plain server. */
export type FeedbackRouter = (
  request: ParsedRequest,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/**
 * Takes `POST /feedback` with `{"request_id": "…", "rating": 1}` or `{"request_id": "…", "name": "accuracy", "score": 1}`.
 * Answers 202 with `{recorded}`, false where it was said before; 400, 401, 404 and 413 with `{error}`, which says what
 * to do. Everything else goes to `next`.
 */
export function feedbackRouter(truth: DelayedTruth, options: FeedbackRouterOptions = {}): FeedbackRouter {
  const { bearerToken, names = [], scale = { min: 0, max: 1 } } = options;
  if (bearerToken === '')
    throw new TypeError('feedbackRouter(): bearerToken is empty: give a secret, or leave it out');
  const isAllowed = bearerToken === undefined ? () => true : tokenCheck(bearerToken);

  async function take(request: ParsedRequest): Promise<Reply> {
    if (!isAllowed(request)) return refuse(401, 'Show the token as "Authorization: Bearer TOKEN".');
    const body = await readBody(request);
    if (body.kind === 'refused') return body.reply;
    const said = parse(body.value, names, scale);
    if (said.kind === 'refused') return said.reply;
    const { requestId } = said;
    return replyTo(
      said.kind === 'rating'
        ? truth.feedback(requestId, said.rating, scale)
        : truth.evaluate(requestId, said.name, said.score),
      requestId,
    );
  }

  return (request, response, next) => {
    if (request.method !== 'POST' || request.url?.split('?', 1)[0] !== '/feedback') {
      if (next) next();
      else send(response, refuse(404, 'Send feedback as POST /feedback.'));
      return;
    }
    take(request).then(
      reply => send(response, reply),
      // The caller left while sending: nobody is there to be answered.
      () => response.destroy(),
    );
  };
}

interface Reply {
  readonly status: number;
  readonly body: { readonly recorded: boolean } | { readonly error: string };
}

function refuse(status: number, error: string): Reply {
  return { status, body: { error } };
}

function send(response: ServerResponse, { status, body }: Reply): void {
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  response.writeHead(status, { 'content-type': 'application/json', ...challenge });
  response.end(JSON.stringify(body));
}

function replyTo(outcome: DelayedOutcome, requestId: string): Reply {
  switch (outcome) {
    case 'recorded':
    case 'repeated':
      return { status: 202, body: { recorded: outcome === 'recorded' } };
    case 'unknown_request':
      return refuse(
        404,
        `No request "${requestId}" is remembered here: it was answered too long ago, by another replica, or not at all.`,
      );
    case 'invalid':
      return refuse(400, 'It could not be recorded: see ml_telemetry_rejected_total for the reason.');
  }
}

type Refused = { readonly kind: 'refused'; readonly reply: Reply };
type Said =
  | { readonly kind: 'rating'; readonly requestId: string; readonly rating: number }
  | { readonly kind: 'score'; readonly requestId: string; readonly name: string; readonly score: number };

/** Lists everything that is wrong with the body. */
function parse(
  body: unknown,
  names: readonly string[],
  scale: { readonly min: number; readonly max: number },
): Said | Refused {
  if (typeof body !== 'object' || body === null)
    return refused(400, ['the body is no JSON object: send {"request_id": "…", "rating": 1}']);
  const { request_id: requestId, rating, score, name } = body as Readonly<Record<string, unknown>>;
  const problems: string[] = [];
  if (!isRequestId(requestId))
    problems.push(`request_id has to be a text of 1 to ${longestRequestId} characters`);
  if ((rating === undefined) === (score === undefined)) problems.push('give either a rating or a score');
  if (rating !== undefined && !isBetween(rating, scale.min, scale.max))
    problems.push(`rating has to be a number from ${scale.min} to ${scale.max}`);
  if (score !== undefined && !isBetween(score, 0, 1)) problems.push('score has to be a number from 0 to 1');
  if (score !== undefined && !(typeof name === 'string' && names.includes(name)))
    problems.push(`name has to be one of: ${names.join(', ') || '(this server takes ratings only)'}`);
  if (problems.length > 0) return refused(400, problems);
  const id = requestId as string;
  return rating === undefined
    ? { kind: 'score', requestId: id, name: name as string, score: score as number }
    : { kind: 'rating', requestId: id, rating: rating as number };
}

function isBetween(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max;
}

function refused(status: number, problems: readonly string[]): Refused {
  return { kind: 'refused', reply: refuse(status, `The feedback was not taken: ${problems.join('; ')}.`) };
}

/** Far more than feedback takes. */
const longestBody = 16_384;

/** Rejects where the caller left before it was all there. */
async function readBody(
  request: ParsedRequest,
): Promise<{ readonly kind: 'ok'; readonly value: unknown } | Refused> {
  if (request.body !== undefined) return { kind: 'ok', value: request.body };
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    // The rest is read and let go, so that the caller can read the answer.
    if (length <= longestBody) chunks.push(chunk);
  }
  if (length > longestBody) return refused(413, [`it is longer than ${longestBody} bytes`]);
  try {
    return { kind: 'ok', value: JSON.parse(Buffer.concat(chunks).toString()) };
  } catch {
    return { kind: 'ok', value: undefined };
  }
}
