import { Worker } from 'node:worker_threads';

/** One task for a worker; `index` is its place in the answer. */
export interface Numbered<Task> {
  readonly index: number;
  readonly task: Task;
}

/**
 * Runs the tasks over that many threads of a script. Answers come back in the order of the tasks, whoever gave them.
 * @param shared what every thread gets once
 */
export async function runAll<Task, Answer>(
  script: URL,
  shared: unknown,
  tasks: readonly Task[],
  threads: number,
  done: (task: Task) => void,
): Promise<Answer[]> {
  const answers: Answer[] = new Array(tasks.length);
  let next = 0;
  const workers = Array.from(
    { length: Math.min(threads, tasks.length) },
    () => new Worker(script, { workerData: shared }),
  );
  const feed = (worker: Worker) => {
    const index = next++;
    if (index < tasks.length) worker.postMessage({ index, task: tasks[index]! } satisfies Numbered<Task>);
    return index < tasks.length;
  };
  const work = workers.map(
    worker =>
      new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', code => reject(new Error(`a worker ended early with exit code ${code}`)));
        worker.on('message', ({ index, answer }: { index: number; answer: Answer }) => {
          answers[index] = answer;
          done(tasks[index]!);
          if (!feed(worker)) resolve();
        });
        if (!feed(worker)) resolve();
      }),
  );
  try {
    await Promise.all(work);
    return answers;
  } finally {
    await Promise.all(workers.map(worker => worker.terminate()));
  }
}
