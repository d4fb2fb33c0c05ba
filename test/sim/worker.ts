import { parentPort, workerData } from 'node:worker_threads';
import type { Numbered } from './pool.ts';
import { type Job, runJob, type Stage, stageOf } from './run.ts';
import type { Scenario } from './scenario.ts';

export interface ScenarioTask {
  /** Index into the scenarios. */
  readonly scenario: number;
  readonly job: Job;
}

/** One thread of the simulation: a job comes in, its score goes out. */
const scenarios = workerData as readonly Scenario[];
const stages = new Map<number, Stage>();

parentPort!.on('message', ({ index, task: { scenario, job } }: Numbered<ScenarioTask>) => {
  const stage = stages.get(scenario) ?? stageOf(scenarios[scenario]!);
  stages.set(scenario, stage);
  parentPort!.postMessage({ index, answer: runJob(stage, job) });
});
