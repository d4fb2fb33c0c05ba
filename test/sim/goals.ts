import { inColumns } from '../support/columns.ts';
import type { Result } from './summary.ts';

/** What the detector is held to, beside what it reached in one run: the worst of the rows that a goal speaks of. */
export interface Goal {
  readonly goal: string;
  readonly asked: string;
  readonly reached: string;
  readonly isReached: boolean;
  /** The row that came nearest to the limit, or went furthest beyond it. */
  readonly worst: string;
}

/** The goals that these results say something about; of our own detector. */
export function goalsOf(results: readonly Result[]): Goal[] {
  const ours = results.filter(({ detector }) => detector === 'ours');
  return goals.flatMap(({ rows, ...goal }) => {
    const judged = ours.filter(rows).map(row => ({ row, ...goal.measure(row) }));
    if (judged.length === 0) return [];
    const worst = judged.reduce((a, b) => (b.figure / b.limit > a.figure / a.limit ? b : a));
    return {
      goal: goal.name,
      asked: goal.asked,
      reached: worst.words,
      isReached: judged.every(({ figure, limit }) => figure <= limit),
      worst: `${worst.row.scenario} at ${worst.row.rate}/s`,
    };
  });
}

export function goalsTable(reached: readonly Goal[]): string {
  const rows = reached.map(({ goal, asked, reached, isReached, worst }) => [
    goal,
    asked,
    reached,
    isReached ? 'yes' : 'NO',
    worst,
  ]);
  return inColumns([['goal', 'asked', 'at worst', 'reached', 'where'], ...rows], 5).join('\n');
}

interface Judged {
  readonly name: string;
  readonly asked: string;
  readonly rows: (row: Result) => boolean;
  /** Reached while the figure is at most the limit. */
  readonly measure: (row: Result) => { figure: number; limit: number; words: string };
}

const named = (...scenarios: readonly string[]) => new Set(scenarios);
const healthy = named(
  'healthy_99',
  'healthy_96',
  'acc_90_sd12',
  'lat_p95_1500',
  'burst_15s_x3',
  'noise_96',
  'azure_chat',
);
const steps = named('succ_93', 'succ_891', 'succ_85', 'succ_50', 'succ_0', 'lat_x2', 'lat_x4');
const scoreSteps = named('acc_80', 'acc_70');
const sudden = named('succ_50', 'succ_0');
const suddenEverySecond = named('succ_50_tick_1s', 'succ_0_tick_1s');
const flapping = named('flap_5m', 'flap_10m', 'flap_20m', 'flap_30m');

const goals: readonly Judged[] = [
  {
    name: 'false switches of healthy models',
    asked: '0 in 10 model-years',
    rows: ({ scenario }) => healthy.has(scenario),
    measure: ({ falseSwitches, modelYears }) => ({
      figure: falseSwitches + 10 / modelYears,
      limit: 1,
      words: `${falseSwitches} in ${modelYears.toFixed(1)} model-years`,
    }),
  },
  {
    name: 'false alarms at the threshold, budget 1 a model-year',
    asked: '≤ 1 a model-year',
    rows: ({ scenario }) => scenario === 'boundary_95_iid',
    measure: ({ falseAlarms, modelYears }) => ({
      figure: falseAlarms,
      limit: modelYears,
      words: `${falseAlarms} in ${modelYears.toFixed(1)} model-years`,
    }),
  },
  stepGoal('median', steps, 1.3, 65),
  stepGoal('p99', steps, 2.2, 120),
  stepGoal('median', scoreSteps, 1.4, 65),
  stepGoal('p99', scoreSteps, 2.2, 120),
  {
    name: 'half of the requests failing, or all: p99',
    asked: '≤ 25 s from 10/s on',
    rows: ({ scenario, rate }) => sudden.has(scenario) && rate >= 10,
    measure: withinSeconds(25),
  },
  {
    name: 'the same with ticks of 1 s: p99',
    asked: '≤ 12 s from 10/s on',
    rows: ({ scenario }) => suddenEverySecond.has(scenario),
    measure: withinSeconds(12),
  },
  {
    name: 'outage at 1/s: p99',
    asked: '≤ 50 s',
    rows: ({ scenario, rate }) => scenario === 'succ_0' && rate === 1,
    measure: withinSeconds(50),
  },
  {
    name: 'outage at 0.2/s: p99',
    asked: '≤ 240 s',
    rows: ({ scenario, rate }) => scenario === 'succ_0' && rate === 0.2,
    measure: withinSeconds(240),
  },
  {
    name: 'recall within 3 × bound + 120 s',
    asked: '100 %',
    rows: ({ recall, scenario }) => recall !== null && !flapping.has(scenario),
    measure: ({ recall, incidents }) => ({
      figure: 1 - recall!,
      limit: 0,
      words: `${(100 * recall!).toFixed(1)} % of ${incidents}`,
    }),
  },
  {
    name: 'switches for a fault that comes and goes every 5 to 30 min',
    asked: '≤ 2 a day',
    rows: ({ scenario }) => flapping.has(scenario),
    measure: ({ switchesPerDay }) => ({
      figure: switchesPerDay,
      limit: 2,
      words: `${switchesPerDay.toFixed(2)} a day`,
    }),
  },
];

function stepGoal(
  quantile: 'median' | 'p99',
  scenarios: ReadonlySet<string>,
  bounds: number,
  seconds: number,
): Judged {
  return {
    name: `${scenarios === steps ? 'step change' : 'step change of the mean score'}: ${quantile}`,
    asked: `≤ ${bounds} × bound + ${seconds} s`,
    rows: ({ scenario, bound }) => scenarios.has(scenario) && bound !== null,
    measure({ bound, rate, delaySeconds }) {
      const limit = (bounds * bound!) / rate + seconds;
      const figure = delaySeconds[quantile] ?? Number.POSITIVE_INFINITY;
      return { figure, limit, words: `${figure.toFixed(0)} s of ${limit.toFixed(0)} s` };
    },
  };
}

function withinSeconds(limit: number): Judged['measure'] {
  return ({ delaySeconds: { p99 } }) => {
    const figure = p99 ?? Number.POSITIVE_INFINITY;
    return { figure, limit, words: `${figure.toFixed(0)} s` };
  };
}
