import type { DetectorName } from './detectors.ts';
import { runAll } from './pool.ts';
import type { Scenario } from './scenario.ts';
import type { Score } from './score.ts';
import { msPerYear, type Result, type Row, resultOf } from './summary.ts';
import type { ScenarioTask } from './worker.ts';

export interface SimulateOptions {
  readonly detectors: readonly DetectorName[];
  readonly seed: number;
  /** In place of what the scenarios say. */
  readonly repeat?: number;
  /** The first detector watches a model that stays healthy for at least so long; the others as the scenario says. */
  readonly healthyYears?: number;
  readonly threads: number;
  /** Share of the simulated time that is done. */
  readonly progress: (share: number) => void;
}

const worker = new URL('./worker.ts', import.meta.url);

/** Every scenario at every rate under every detector, as many repeats as it says; one result each. */
export async function simulate(scenarios: readonly Scenario[], options: SimulateOptions): Promise<Result[]> {
  const rows = scenarios.flatMap((scenario, index) =>
    scenario.rates.flatMap(rate =>
      options.detectors.map(detector => ({
        index,
        repeats: repeatsOf(scenario, detector, options),
        row: { scenario: scenario.name, level: scenario.level, rate, detector } satisfies Row,
      })),
    ),
  );
  const tasks = rows.flatMap(({ index, repeats, row: { rate, detector } }) =>
    Array.from(
      { length: repeats },
      (_, repeat): ScenarioTask => ({
        scenario: index,
        job: { rate, detector, repeat, seed: options.seed },
      }),
    ),
  );
  const totalMs = tasks.reduce((sum, { scenario }) => sum + scenarios[scenario]!.durationMs, 0);
  let doneMs = 0;
  const done = ({ scenario }: ScenarioTask) => {
    doneMs += scenarios[scenario]!.durationMs;
    options.progress(doneMs / totalMs);
  };
  const scores = await runAll<ScenarioTask, Score>(worker, scenarios, tasks, options.threads, done);
  let first = 0;
  return rows.map(({ repeats, row }) => {
    first += repeats;
    return resultOf(row, scores.slice(first - repeats, first));
  });
}

function repeatsOf(scenario: Scenario, detector: DetectorName, options: SimulateOptions): number {
  const repeats = options.repeat ?? scenario.repeat;
  if (options.healthyYears === undefined || detector !== options.detectors[0] || !staysHealthy(scenario))
    return repeats;
  return Math.max(repeats, Math.ceil((options.healthyYears * msPerYear) / scenario.durationMs));
}

const staysHealthy = ({ targets }: Scenario) =>
  targets.every(({ phases, faults }) => faults.length === 0 && phases.every(({ degraded }) => !degraded));
