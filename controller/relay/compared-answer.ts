/** An answer kept while it passes, for a comparison. */

import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import type { ComparedAnswer } from './compare.ts';

export interface KeptAnswer {
  /** Undefined when the answer was longer than allowed, packed in an unknown way, or not packed as it says. */
  whole(): Promise<ComparedAnswer | undefined>;
}

/** Keeps up to `maxBytes` of the body. It only listens: somebody else has to read the answer. */
export function keepAnswer(answer: IncomingMessage, maxBytes: number): KeptAnswer {
  let chunks: Buffer[] | undefined = [];
  let size = 0;
  answer.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) chunks = undefined;
    else chunks?.push(chunk);
  });
  return {
    async whole() {
      const body = chunks && (await unpacked(Buffer.concat(chunks), answer, maxBytes));
      return body && { status: answer.statusCode ?? 0, headers: answer.headers, body };
    },
  };
}

type Unpack = (packed: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

/** RFC 9110, section 8.4.1, and RFC 8878 for zstd. */
const unpackers = new Map<string, Unpack>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
  ['zstd', promisify(zstdDecompress)],
]);

async function unpacked(
  body: Buffer,
  { headers }: IncomingMessage,
  maxOutputLength: number,
): Promise<Buffer | undefined> {
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (encoding === 'identity' || body.length === 0) return body;
  return unpackers
    .get(encoding)?.(body, { maxOutputLength })
    .catch(() => undefined);
}
