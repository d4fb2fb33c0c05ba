import { parentPort } from 'node:worker_threads';
import type { Numbered } from '../pool.ts';
import { seeded } from '../random.ts';
import { type Boundary, settingOf } from './boundary.ts';
import { addPath, type Method, nothing, trialOf } from './paths.ts';

/** A few paths at one boundary. */
export interface PathsTask {
  readonly boundary: Boundary;
  readonly method: Method;
  readonly first: number;
  readonly count: number;
  readonly seed: number;
}

/** One thread: paths come in, their tally goes out. */
parentPort!.on('message', ({ index, task }: Numbered<PathsTask>) => {
  const { boundary, method, first, count, seed } = task;
  const trial = trialOf(settingOf(boundary));
  let tally = nothing;
  for (let path = first; path < first + count; path++)
    tally = addPath(tally, trial, method, seeded(seed, JSON.stringify(boundary), method, path));
  parentPort!.postMessage({ index, answer: tally });
});
