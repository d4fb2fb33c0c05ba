import { parentPort } from 'node:worker_threads';
import type { Numbered } from '../sim/pool.ts';
import { scriptOf } from './episodes.ts';
import { play } from './world.ts';

/** One thread of the chaos: a seed comes in, what became of it goes out. */
parentPort!.on('message', async ({ index, task: seed }: Numbered<number>) => {
  parentPort!.postMessage({ index, answer: await play(scriptOf(seed)) });
});
