/** Routes from a file of flag definitions: the document driver's, or one that people write. */

import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { RouteSource } from './follow.ts';
import { routeFrom } from './follow-document.ts';

/**
 * Its folder is watched, since the file is replaced and not written to. What is not announced, as on network drives,
 * is found by looking.
 */
export function fileSource(path: string): RouteSource {
  return {
    where: path,
    open(routes, wake) {
      let watcher: FSWatcher | undefined;
      let closed = false;

      function lookOut(): void {
        try {
          const created = watch(dirname(path), { persistent: false }, (_event, name) => {
            if (name === null || name === basename(path)) wake();
          });
          created.on('error', () => stopLooking(created));
          watcher = created;
        } catch {
          // No folder yet, or no more watches on this machine: looking now and then has to do.
        }
      }

      function stopLooking(failed: FSWatcher): void {
        failed.close();
        if (watcher === failed) watcher = undefined;
      }

      return {
        async read(offer, signal) {
          if (!watcher && !closed) lookOut();
          const text = await readFile(path, { encoding: 'utf8', signal });
          for (const route of routes) {
            const said = routeFrom(text, route);
            if (said !== undefined) offer(route, said);
          }
        },
        close() {
          closed = true;
          watcher?.close();
        },
      };
    },
  };
}
