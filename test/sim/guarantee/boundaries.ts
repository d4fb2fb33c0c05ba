import type { Boundary, Scores } from './boundary.ts';

const rates = [0.2, 1, 10, 100];
const ticks = [5, 1];

/** The shipped budgets, where nothing but importance sampling could count alarms. */
export const rareBoundaries: readonly Boundary[] = [
  ...ticks.flatMap(tickSeconds => [
    ...everyRate({ signal: 'success', level: 'warning', tickSeconds }),
    ...everyRate({ signal: 'success', level: 'critical', tickSeconds }),
    // As many slow requests are allowed at critical as at warning, with the smaller budget.
    ...everyRate({ signal: 'latency', level: 'critical', tickSeconds }),
  ]),
  ...bothLevels('beta, sd 0.12', rates, 5),
  // At fewer requests most ticks of a second are empty, and half of all the work would go into these two.
  ...bothLevels('beta, sd 0.12', [1, 10, 100], 1),
  ...bothLevels('pass or fail', rates, 5),
  ...bothLevels('half perfect', rates, 5),
  // Scores that hardly vary tell a mild change slowly: at fewer requests the horizon would be months.
  ...bothLevels('all alike', [10, 100], 5),
];

/** A budget so large that plain simulation sees many alarms too. */
export const frequentBoundaries: readonly Boundary[] = [
  { signal: 'success', level: 'warning', rate: 1, tickSeconds: 5, budget: '1/day' },
  { signal: 'success', level: 'warning', rate: 10, tickSeconds: 5, budget: '1/day' },
  { signal: 'success', level: 'critical', rate: 1, tickSeconds: 5, budget: '1/day' },
  {
    signal: 'accuracy',
    scores: 'beta, sd 0.12',
    level: 'warning',
    rate: 10,
    tickSeconds: 5,
    budget: '1/day',
  },
];

/** Where failures in a row have to come from chance: success at its critical threshold. */
export const hardDownBoundaries: readonly Boundary[] = ticks.flatMap(tickSeconds =>
  everyRate({ signal: 'success', level: 'critical', tickSeconds }),
);

function everyRate(boundary: Omit<Boundary, 'rate'>): Boundary[] {
  return rates.map(rate => ({ ...boundary, rate }));
}

function bothLevels(scores: Scores, atRates: readonly number[], tickSeconds: number): Boundary[] {
  return (['warning', 'critical'] as const).flatMap(level =>
    atRates.map(rate => ({ signal: 'accuracy' as const, scores, level, rate, tickSeconds })),
  );
}
