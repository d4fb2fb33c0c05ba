import { expect, test } from 'vitest';
import { freePort } from '../../test/support/servers.ts';
import { describeFailure } from './failures.ts';

const thrownBy = async (work: () => unknown): Promise<unknown> => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

test.each([
  { what: 'a deadline', work: () => fetch('http://127.0.0.1:1', { signal: passed() }), is: 'timeout' },
  {
    what: 'a client that left',
    work: () => fetch('http://127.0.0.1:1', { signal: left() }),
    is: 'cancelled',
  },
  {
    what: 'a dead server',
    work: async () => fetch(`http://127.0.0.1:${await freePort()}`),
    is: 'connection_refused',
  },
  { what: 'too big a tensor', work: () => new ArrayBuffer(2 ** 52), is: 'out_of_memory' },
])('$what is $is', async ({ work, is }) => {
  expect(describeFailure(await thrownBy(work)).errorType).toBe(is);
});

const passed = () => AbortSignal.abort(new DOMException('too late', 'TimeoutError'));
const left = () => AbortSignal.abort();

test.each([
  { error: { status: 400 }, outcome: 'error', errorType: 'invalid_request' },
  { error: { statusCode: 401 }, outcome: 'error', errorType: 'unauthorized' },
  { error: { status: 408 }, outcome: 'timeout', errorType: 'timeout' },
  { error: { status: 429 }, outcome: 'error', errorType: 'rate_limited' },
  { error: { status: 499 }, outcome: 'cancelled', errorType: 'cancelled' },
  { error: { status: 500 }, outcome: 'error', errorType: 'model_error' },
  { error: { status: 503 }, outcome: 'error', errorType: 'unavailable' },
  { error: { status: 504 }, outcome: 'timeout', errorType: 'timeout' },
  { error: { status: 200 }, outcome: 'error', errorType: '_OTHER' },
  { error: { code: 'ECONNRESET' }, outcome: 'error', errorType: 'connection_reset' },
  { error: new Error('x', { cause: { code: 'ENOTFOUND' } }), outcome: 'error', errorType: 'unreachable' },
  {
    error: new AggregateError([{ code: 'ECONNREFUSED' }]),
    outcome: 'error',
    errorType: 'connection_refused',
  },
  { error: new Error('CUDA out of memory'), outcome: 'error', errorType: 'out_of_memory' },
  { error: new Error('user 4711 said hello'), outcome: 'error', errorType: '_OTHER' },
  { error: 'text', outcome: 'error', errorType: '_OTHER' },
  { error: undefined, outcome: 'error', errorType: '_OTHER' },
])('$error is $outcome of type $errorType', ({ error, outcome, errorType }) => {
  expect(describeFailure(error)).toEqual({ outcome, errorType });
});

test('an outcome that is given wins over the error', () => {
  const refused = { code: 'ECONNREFUSED' };
  expect(describeFailure(refused, 'timeout')).toEqual({ outcome: 'timeout', errorType: 'timeout' });
  expect(describeFailure({ status: 504 }, 'error')).toEqual({ outcome: 'error', errorType: 'timeout' });
});

test('an error that throws when it is read, or is its own cause, is still a failure', () => {
  const hostile = {
    get code(): string {
      throw new Error('no');
    },
  };
  const circular: { cause?: unknown } = {};
  circular.cause = circular;
  expect(describeFailure(hostile).errorType).toBe('_OTHER');
  expect(describeFailure(circular).errorType).toBe('_OTHER');
});
