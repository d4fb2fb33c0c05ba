/** Streams a target's answer to the caller. From its first byte on nothing is retried. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { AttemptOutcome } from '@neuroweaver/instrumentation';
import type { Passage } from './forward.ts';
import { headersForCaller } from './headers.ts';
import type { Target } from './options.ts';

/** Never rejects; says how it went. */
export async function passAnswer(
  answer: IncomingMessage,
  target: Target,
  passage: Passage,
): Promise<AttemptOutcome> {
  const { response, signal, route } = passage;
  let cut: AttemptOutcome | undefined;
  const cutAs = (outcome: AttemptOutcome) => () => {
    cut ??= outcome;
    answer.destroy();
  };
  const silence = setTimeout(
    () => cutAs(waitsForCaller(passage) ? 'cancelled' : 'timeout')(),
    route.attemptTimeoutMs,
  );
  // Whatever cuts the answer first is the cause: ending one side closes the other.
  answer.once('error', cutAs('error'));
  signal.addEventListener('abort', cutAs('cancelled'));
  if (signal.aborted) cutAs('cancelled')();
  answer.on('data', () => silence.refresh());
  try {
    startAnswer(answer, target, response);
    await pipeline(answer, response);
    return statusOutcome(answer.statusCode ?? 0);
  } catch {
    answer.destroy();
    response.destroy(); // Whoever read half an answer must not take it for a whole one.
    return cut ?? 'error';
  } finally {
    clearTimeout(silence);
  }
}

function startAnswer(answer: IncomingMessage, target: Target, response: ServerResponse): void {
  for (const [name, value] of Object.entries(headersForCaller(answer))) response.setHeader(name, value);
  response.setHeader('x-relaycore-target', target.model);
  response.statusCode = answer.statusCode ?? 502;
  response.statusMessage = answer.statusMessage ?? '';
  response.flushHeaders(); // The first piece of a streamed answer may be long in coming.
}

/** A 4xx is the caller's mistake and well answered; 429 is a target that has no room, or whose quota is spent. */
export function statusOutcome(status: number): AttemptOutcome {
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'error' : 'ok';
}

/** A caller that stops reading, or stops sending, must not make the target look slow. */
function waitsForCaller({ response, body }: Passage): boolean {
  return response.writableNeedDrain || (body.kind === 'streamed' && !body.rest.readableEnded);
}
