import { type ErrorType, errorTypes, type RequestOutcome } from './metrics.ts';

export interface Failure {
  readonly outcome: Exclude<RequestOutcome, 'ok'>;
  readonly errorType: ErrorType;
}

const timeout: Failure = { outcome: 'timeout', errorType: 'timeout' };
const cancelled: Failure = { outcome: 'cancelled', errorType: 'cancelled' };
const errors = new Map(
  errorTypes.map((errorType): [ErrorType, Failure] => [errorType, { outcome: 'error', errorType }]),
);

/** Every failure there is: `describeFailure` gives these and no others, so that they can be looked up. */
export const failures: readonly Failure[] = [...errors.values(), timeout, cancelled];

/**
 * What kind of failure an error is, from its name, its code, its HTTP status and, if those say nothing, its cause.
 * An outcome that the caller gives wins over what the error looks like. Never throws: whatever the error, the request
 * has failed and has to be counted.
 */
export function describeFailure(error: unknown, outcome?: Failure['outcome']): Failure {
  if (outcome === 'timeout') return timeout;
  if (outcome === 'cancelled') return cancelled;
  const errorType = readErrorType(error) ?? '_OTHER';
  if (outcome !== 'error' && errorType === 'timeout') return timeout;
  if (outcome !== 'error' && errorType === 'cancelled') return cancelled;
  return errors.get(errorType)!;
}

/** An error's properties may be getters that throw. */
function readErrorType(error: unknown): ErrorType | undefined {
  try {
    return errorTypeOf(error, causeDepth);
  } catch {
    return undefined;
  }
}

/** How many causes deep an error is looked into; `fetch failed` carries the reason one down. */
const causeDepth = 4;

function errorTypeOf(error: unknown, depth: number): ErrorType | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { name, code, status, statusCode, message, cause, errors } = error as ErrorLike;
  return (
    byName.get(name) ??
    byCode.get(code) ??
    byStatus(typeof status === 'number' ? status : statusCode) ??
    byMessage(message) ??
    (depth > 0 ? errorTypeOf(cause ?? firstOf(errors), depth - 1) : undefined)
  );
}

/** Any of these may be anything: errors come from other people's code. */
interface ErrorLike {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

const byName = new Map<unknown, ErrorType>([
  ['TimeoutError', 'timeout'],
  ['AbortError', 'cancelled'],
]);

const byCode = new Map<unknown, ErrorType>([
  ['ETIMEDOUT', 'timeout'],
  ['ESOCKETTIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['ABORT_ERR', 'cancelled'],
  ['ERR_CANCELED', 'cancelled'],
  ['UND_ERR_ABORTED', 'cancelled'],
  ['ERR_STREAM_PREMATURE_CLOSE', 'connection_reset'],
  ['ECONNREFUSED', 'connection_refused'],
  ['ECONNRESET', 'connection_reset'],
  ['ECONNABORTED', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['UND_ERR_SOCKET', 'connection_reset'],
  ['ENOTFOUND', 'unreachable'],
  ['EAI_AGAIN', 'unreachable'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['ENOMEM', 'out_of_memory'],
  ['ERR_WORKER_OUT_OF_MEMORY', 'out_of_memory'],
  ['ERR_MEMORY_ALLOCATION_FAILED', 'out_of_memory'],
]);

function byStatus(status: unknown): ErrorType | undefined {
  if (typeof status !== 'number') return undefined;
  if (status === 408 || status === 504) return 'timeout';
  if (status === 499) return 'cancelled';
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 429) return 'rate_limited';
  if (status === 503) return 'unavailable';
  if (status >= 400 && status < 500) return 'invalid_request';
  if (status >= 500 && status < 600) return 'model_error';
  return undefined;
}

/** V8, CUDA and the inference runtimes have no code for this one, only words. */
function byMessage(message: unknown): ErrorType | undefined {
  if (typeof message !== 'string') return undefined;
  return /out of memory|allocation failed/i.test(message) ? 'out_of_memory' : undefined;
}

function firstOf(errors: unknown): unknown {
  return Array.isArray(errors) ? errors[0] : undefined;
}
