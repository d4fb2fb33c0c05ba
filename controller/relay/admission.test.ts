import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { admit } from './admission.ts';

test.each([
  ['127.0.0.1', {}, 'admitted'],
  ['127.8.9.10', {}, 'admitted'],
  ['::1', {}, 'admitted'],
  ['::ffff:127.0.0.1', {}, 'admitted'],
  ['192.0.2.7', {}, 'refused'],
  ['::ffff:192.0.2.7', {}, 'refused'],
  ['2001:db8::7', {}, 'refused'],
  ['1127.0.0.1', {}, 'refused'],
  [undefined, {}, 'refused'],
  ['127.0.0.1', { 'x-forwarded-for': '192.0.2.7' }, 'refused'],
  ['127.0.0.1', { forwarded: 'for=192.0.2.7' }, 'refused'],
])('without a token, a caller from %s with %o is %s', (remoteAddress, headers, kind) => {
  const request = { socket: { remoteAddress }, headers } as unknown as IncomingMessage;
  expect(admit(request, undefined).kind).toBe(kind);
});
