import type { Boundary } from './boundary.ts';
import type { Direct } from './direct.ts';
import type { Agreement, Rare } from './guarantee.ts';

/** Further apart, the two ways contradict each other. */
const mostDifference = 4;
/** Sums of millions of logarithms are not exact, and neither is the mean of scores from a smooth distribution. */
const rounding = 1e-6;

/** What is not shown, a sentence each. */
export function gapsOf(rare: readonly Rare[], agreement: readonly Agreement[], direct: Direct): string[] {
  return [
    ...rare.flatMap(gapsOfRare),
    // Nor do ways agree of which neither saw an alarm.
    ...agreement.filter(({ difference }) => !(Math.abs(difference) <= mostDifference)).map(apart),
    ...direct.results
      .filter(({ falseAlarms, modelYears }) => falseAlarms > direct.budgetPerYear * modelYears)
      .map(({ scenario, rate, falseAlarms, modelYears }) => {
        return `${scenario} at ${rate} req/s: ${falseAlarms} false alarms in ${modelYears} model-years`;
      }),
  ];
}

function gapsOfRare(rare: Rare): string[] {
  const { low95, high95, allowed, heaviestShare } = rare;
  const gaps: string[] = [];
  if (high95 > allowed)
    gaps.push(`between ${low95} and ${high95} false alarms per 1000 model-years, allowed are ${allowed}`);
  if (heaviestShare > 1 + rounding)
    gaps.push(`an alarm ${heaviestShare} times as heavy as the theorem allows`);
  return gaps.map(gap => `${wordsFor(rare)}: ${gap}`);
}

const apart = ({ difference, ...boundary }: Agreement) =>
  `${wordsFor(boundary)}: importance sampling and plain simulation are ${difference} standard errors apart`;

const wordsFor = ({ signal, scores, level, rate, tickSeconds }: Boundary) =>
  `${[signal, scores, level].filter(Boolean).join(' ')} at ${rate} req/s, ticks of ${tickSeconds} s`;
