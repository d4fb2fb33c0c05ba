import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Bytes, createBytes, writtenBytes } from './bytes.ts';

/** How long one turn of the event loop may go to a page, and how much of it the system is given at once. */
const sliceMs = 2;
const sliceBytes = 256 * 1024;

/** A scraper that takes nothing for so long is let go. */
const stalledAfterMs = 10_000;

/**
 * Sends a page while it is written. Between slices requests get their turn; a scraper that has left, or takes nothing
 * any more, ends the writing.
 */
export async function sendPage(
  response: ServerResponse,
  contentType: string,
  write: (page: Bytes) => Iterator<void>,
): Promise<void> {
  response.setHeader('content-type', contentType);
  response.setTimeout(stalledAfterMs, () => response.destroy());
  const page = createBytes();
  const writing = write(page);
  while (!response.destroyed && !writeSlice(page, writing)) {
    await sent(response, writtenBytes(page));
    await nextTurn();
    page.length = 0;
  }
  // A page of one slice, as most are, gets a content-length and leaves in one write.
  if (!response.destroyed) response.end(writtenBytes(page));
}

/** Whether the page is complete. */
function writeSlice(page: Bytes, writing: Iterator<void>): boolean {
  const until = performance.now() + sliceMs;
  while (performance.now() < until && page.length < sliceBytes) if (writing.next().done) return true;
  return false;
}

/** Resolves once the system has taken the bytes, which may then be written over, or the scraper has left. */
function sent(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise(resolve => {
    response.once('close', resolve);
    response.write(bytes, () => {
      response.off('close', resolve);
      resolve();
    });
  });
}
