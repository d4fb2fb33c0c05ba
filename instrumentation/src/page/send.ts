import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long one turn of the event loop may go to a page. */
const sliceMs = 3;

/** A scraper that takes nothing for so long is let go. */
const stalledAfterMs = 10_000;

/**
 * Sends a page that is written piece by piece. Between slices requests get their turn; a scraper that has left, or
 * takes nothing any more, ends the writing.
 */
export async function sendPage(
  response: ServerResponse,
  contentType: string,
  pieces: Iterator<string>,
): Promise<void> {
  response.setHeader('content-type', contentType);
  response.setTimeout(stalledAfterMs, () => response.destroy());
  let slice = takeSlice(pieces);
  while (!slice.last) {
    if (!response.write(slice.text)) await untilWritable(response);
    await nextTurn();
    if (response.destroyed) return;
    slice = takeSlice(pieces);
  }
  // A page of one slice, as most are, gets a content-length and leaves in one write.
  response.end(slice.text);
}

function takeSlice(pieces: Iterator<string>): { text: string; last: boolean } {
  const until = performance.now() + sliceMs;
  let text = '';
  do {
    const piece = pieces.next();
    if (piece.done) return { text, last: true };
    text += piece.value;
  } while (performance.now() < until);
  return { text, last: false };
}

function untilWritable(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const go = () => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.once('drain', go).once('close', go);
  });
}
