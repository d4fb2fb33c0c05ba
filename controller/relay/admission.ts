/** Who may read and set routes: the holder of the token, or, without a token, callers on this machine. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export type Admission =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'refused'; readonly status: 401 | 403; readonly code: string; readonly message: string };

export function admit(request: IncomingMessage, token: string | undefined): Admission {
  if (token === undefined) return fromThisMachine(request) ? { kind: 'admitted' } : remote;
  const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined) return missing;
  return sameSecret(given, token) ? { kind: 'admitted' } : wrong;
}

const remote: Admission = {
  kind: 'refused',
  status: 403,
  code: 'loopback_only',
  message:
    'this gateway has no token, so only callers on its own machine are let in; give it one with the "token" option',
};

const missing: Admission = {
  kind: 'refused',
  status: 401,
  code: 'token_missing',
  message: 'send "Authorization: Bearer …" with the token of this gateway',
};

const wrong: Admission = {
  kind: 'refused',
  status: 401,
  code: 'token_wrong',
  message: 'the token is not the one of this gateway; compare its "token" option with what you sent',
};

/** A proxy on this machine that names the caller it speaks for is not a local caller. */
function fromThisMachine({ socket, headers }: IncomingMessage): boolean {
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return false;
  // Undefined when the caller has already hung up: then nobody knows where it was.
  const address = socket.remoteAddress ?? '';
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

/** Compares digests, so that the time it takes tells nothing about the token. */
function sameSecret(left: string, right: string): boolean {
  return timingSafeEqual(digest(left), digest(right));
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
