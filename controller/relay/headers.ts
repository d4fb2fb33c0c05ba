/** Which headers travel on. Hop-by-hop ones end here (RFC 9110, section 7.6.1), repeated ones stay repeated. */

import type { IncomingMessage } from 'node:http';
import type { Body } from './body.ts';

/** Values by lower-case name, as Node's http takes them. */
export type Headers = Record<string, string | string[]>;

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The caller's headers for a target, with the caller's address appended to x-forwarded-for. */
export function headersForTarget(request: IncomingMessage, host: string, body: Body): Headers {
  const { host: askedHost, expect: _answeredHere, ...headers } = endToEnd(request);
  const before = request.headers['x-forwarded-for'];
  const caller = request.socket.remoteAddress ?? 'unknown';
  return {
    ...(askedHost === undefined ? {} : { 'x-forwarded-host': askedHost }),
    ...headers,
    host,
    'x-forwarded-for': before === undefined ? caller : `${before}, ${caller}`,
    ...(body.kind === 'buffered' ? { 'content-length': String(body.bytes.length) } : {}),
  };
}

/** A target's headers for the caller. */
export function headersForCaller(answer: IncomingMessage): Headers {
  return endToEnd(answer);
}

function endToEnd({ rawHeaders, headers }: IncomingMessage): Headers {
  const nominated = (headers.connection ?? '').split(',').map(name => name.trim().toLowerCase());
  const kept = new Map<string, string[]>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    if (hopByHop.has(name) || nominated.includes(name)) continue;
    kept.set(name, [...(kept.get(name) ?? []), rawHeaders[at + 1]!]);
  }
  return Object.fromEntries(
    [...kept].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]),
  );
}
