import { parentPort, workerData } from 'node:worker_threads';
import type { Task } from './pool.ts';
import { runJob, type Stage, stageOf } from './run.ts';
import type { Scenario } from './scenario.ts';

/** One thread of the simulation: a job comes in, its score goes out. */
const scenarios = workerData as readonly Scenario[];
const stages = new Map<number, Stage>();

parentPort!.on('message', ({ index, scenario, job }: Task) => {
  const stage = stages.get(scenario) ?? stageOf(scenarios[scenario]!);
  stages.set(scenario, stage);
  parentPort!.postMessage({ index, score: runJob(stage, job) });
});
