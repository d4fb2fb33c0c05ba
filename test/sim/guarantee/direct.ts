import { fileURLToPath } from 'node:url';
import { loadScenario } from '../scenario.ts';
import { simulate } from '../simulate.ts';
import { poissonUpper, type Result } from '../summary.ts';
import type { GuaranteeOptions } from './guarantee.ts';

/** The scenarios at the boundary, played for as long as it takes to see the budget of their warnings used up. */
export interface Direct {
  readonly results: readonly Result[];
  readonly budgetPerYear: number;
  /** Over all rates and scenarios. */
  readonly modelYears: number;
  readonly falseAlarms: number;
  readonly falseAlarmsPerYearUpper95: number;
  readonly cpuSecondsPerModelYear: number;
}

/** Every signal that they name lies exactly at the threshold of its warning. */
const scenarioNames = ['boundary_95_iid', 'boundary_all_iid'];
/** As the shipped policy says. */
const budgetPerYear = 1;
const daysPerYear = 365.25;

export async function playDirectly({ years, seed, threads, progress }: GuaranteeOptions): Promise<Direct> {
  const begun = process.cpuUsage();
  const results: Result[] = [];
  for (const name of scenarioNames) {
    const scenario = await loadScenario(fileURLToPath(new URL(`../scenarios/${name}.yml`, import.meta.url)));
    const repeat = Math.ceil((years * daysPerYear * 86_400_000) / scenario.durationMs);
    const how = { seed, threads, repeat, detectors: ['ours'] as const, progress: progress(name) };
    results.push(...(await simulate([scenario], how)));
  }
  const { user, system } = process.cpuUsage(begun);
  const sum = (value: (result: Result) => number) => results.reduce((all, result) => all + value(result), 0);
  const modelYears = sum(result => result.modelYears);
  const falseAlarms = sum(result => result.falseAlarms);
  return {
    ...{ results, budgetPerYear, modelYears, falseAlarms },
    falseAlarmsPerYearUpper95: poissonUpper(falseAlarms, 0.95) / modelYears,
    cpuSecondsPerModelYear: (user + system) / 1e6 / modelYears,
  };
}
