import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { type Stage, stageOf } from './run.ts';
import { readScenario, type Scenario } from './scenario.ts';

/** For tests: a small good scenario, changed in what a test is about. Paths in it are those of the shipped ones. */
export function exampleText(changes: Readonly<Record<string, unknown>> = {}): string {
  return stringify({
    name: 'example',
    policy: '../policies/strict.yml',
    rates: 10,
    duration: '1h',
    phases: [
      { at: 0, success: 0.99 },
      { at: '30m', success: 0.5, degraded: true },
    ],
    ...changes,
  });
}

const beside = fileURLToPath(new URL('scenarios/example.yml', import.meta.url));

export const readExample = (changes?: Readonly<Record<string, unknown>>): Promise<Scenario> =>
  readScenario(exampleText(changes), beside);

export const exampleStage = async (changes?: Readonly<Record<string, unknown>>): Promise<Stage> =>
  stageOf(await readExample(changes));
