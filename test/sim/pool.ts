import { Worker } from 'node:worker_threads';
import type { Job } from './run.ts';
import type { Scenario } from './scenario.ts';
import type { Score } from './score.ts';

/** One job for a worker; `index` is its place in the answer. */
export interface Task {
  readonly index: number;
  /** Index into the scenarios. */
  readonly scenario: number;
  readonly job: Job;
}

/** Runs the tasks over that many threads. Scores come back in the order of the tasks, whoever ran them. */
export async function runAll(
  scenarios: readonly Scenario[],
  tasks: readonly Omit<Task, 'index'>[],
  threads: number,
  done: (task: Omit<Task, 'index'>) => void,
): Promise<Score[]> {
  const scores: Score[] = new Array(tasks.length);
  let next = 0;
  const workers = Array.from(
    { length: Math.min(threads, tasks.length) },
    () => new Worker(new URL('./worker.ts', import.meta.url), { workerData: scenarios }),
  );
  const feed = (worker: Worker) => {
    const index = next++;
    if (index < tasks.length) worker.postMessage({ index, ...tasks[index]! } satisfies Task);
    return index < tasks.length;
  };
  const work = workers.map(
    worker =>
      new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', code => reject(new Error(`a worker ended early with exit code ${code}`)));
        worker.on('message', ({ index, score }: { index: number; score: Score }) => {
          scores[index] = score;
          done(tasks[index]!);
          if (!feed(worker)) resolve();
        });
        if (!feed(worker)) resolve();
      }),
  );
  try {
    await Promise.all(work);
    return scores;
  } finally {
    await Promise.all(workers.map(worker => worker.terminate()));
  }
}
