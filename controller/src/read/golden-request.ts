import type { Model, Probe } from '@relaycore/rules';
import { messageOf } from '../errors.ts';

/** What came back for one golden request. */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly contentType: string;
      readonly text: string;
      /** Of the whole answer, connection included. */
      readonly latencyMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly outcome: 'timeout' | 'unreachable' | 'too_large';
      readonly reason: string;
      readonly latencyMs: number;
    };

/** No answer that a person would compare is longer; one that never ends must not fill the memory. */
const longestAnswerBytes = 1024 * 1024;

/**
 * Sends one golden request as a new caller would: on a connection of its own, and without following a redirect, which
 * would carry the headers to another place. The deadline is for the whole answer. Never throws; the reason may quote
 * headers.
 */
export async function send(
  { endpoint }: Pick<Model, 'endpoint'>,
  probe: Probe,
  timeoutMs: number,
): Promise<Answer> {
  const begun = performance.now();
  const latencyMs = () => performance.now() - begun;
  try {
    const response = await fetch(`${endpoint}${probe.path}`, {
      method: probe.method,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: headersOf(probe),
      ...(probe.body !== undefined && { body: bodyOf(probe) }),
    });
    const text = await textOf(response);
    if (text === undefined)
      return {
        kind: 'failed',
        outcome: 'too_large',
        reason: `answered more than ${longestAnswerBytes} bytes`,
        latencyMs: latencyMs(),
      };
    const contentType = response.headers.get('content-type') ?? 'no content type';
    return { kind: 'answered', status: response.status, contentType, text, latencyMs: latencyMs() };
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return {
      kind: 'failed',
      outcome: isLate ? 'timeout' : 'unreachable',
      reason: isLate ? `gave no whole answer within ${timeoutMs} ms (timeout)` : messageOf(error),
      latencyMs: latencyMs(),
    };
  }
}

const bodyOf = ({ body }: Probe) => (typeof body === 'string' ? body : JSON.stringify(body));

function headersOf({ headers, body }: Probe): Headers {
  const all = new Headers({ 'user-agent': 'relaycore-probe/1', ...headers, connection: 'close' });
  if (body !== undefined && !all.has('content-type'))
    all.set('content-type', typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json');
  return all;
}

async function textOf({ body }: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop ends the connection.
    if (bytes > longestAnswerBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
