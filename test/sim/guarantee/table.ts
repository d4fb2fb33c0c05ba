import { inColumns } from '../../support/columns.ts';
import type { Boundary } from './boundary.ts';
import type { Agreement, Guarantee, HardDown, Rare } from './guarantee.ts';

/** The findings for people, one table a part. */
export function guaranteeTables({ rare, agreement, direct, hardDown, notShown }: Guarantee): string {
  const { modelYears, falseAlarms, falseAlarmsPerYearUpper95, cpuSecondsPerModelYear } = direct;
  return [
    'Budgets as shipped, by importance sampling: false alarms per 1000 model-years of one stream at its threshold',
    '',
    ...table([...boundaryHeadings, ...rareHeadings], rare.map(rareCells)),
    '',
    rareLegend,
    '',
    'Budget of one false alarm a day: probability of one in the second half of the horizon, found in both ways',
    '',
    ...table([...boundaryHeadings, ...agreementHeadings], agreement.map(agreementCells)),
    '',
    'Played as they are: a model at the thresholds of its warnings, budget of one false alarm a model-year',
    '',
    ...table(directHeadings, direct.results.map(directCells)),
    '',
    `Together ${falseAlarms} in ${short(modelYears)} model-years: below ${short(falseAlarmsPerYearUpper95)} a year with 95 % confidence; ${short(cpuSecondsPerModelYear)} CPU seconds a model-year`,
    '',
    'Beside the budget: failures in a row by chance, per 1000 model-years (exact)',
    '',
    ...table([...boundaryHeadings, 'failures in a row'], hardDown.map(hardDownCells)),
    '',
    notShown.length === 0 ? 'The guarantee is shown.' : `The guarantee is not shown:\n${notShown.join('\n')}`,
  ].join('\n');
}

const textColumns = 3;
const table = (headings: readonly string[], rows: readonly (readonly string[])[]) =>
  inColumns([headings, ...rows], textColumns);

const boundaryHeadings = ['signal', 'scores', 'level', 'req/s', 'tick s'];
const boundaryCells = ({ signal, scores, level, rate, tickSeconds }: Boundary) => [
  signal,
  scores ?? '-',
  level,
  String(rate),
  String(tickSeconds),
];

const rareHeadings = [
  'allowed',
  'estimated',
  'low',
  'high',
  'of budget',
  'paths',
  'alarms',
  'heaviest',
  'days',
];
const rareLegend = `allowed: what the budget of the model leaves to each of its streams; low, high: 95 % interval, for any number of
paths; alarms: paths that fired in the second half of the horizon; heaviest: the largest weight of an alarm over H/A, which
the theorem lets none exceed; days: horizon`;

function rareCells(rare: Rare): string[] {
  const { allowed, estimated, low95, high95, shareOfBudget, paths, alarms, heaviestShare, horizonDays } =
    rare;
  return [
    ...boundaryCells(rare),
    ...[allowed, estimated, low95, high95].map(short),
    `${(100 * shareOfBudget).toFixed(0)} %`,
    String(paths),
    String(alarms),
    heaviestShare.toFixed(3),
    horizonDays.toFixed(1),
  ];
}

const agreementHeadings = ['plain', '±', 'importance', '±', 'difference / error'];

function agreementCells(agreement: Agreement): string[] {
  const { plain, tilted, difference } = agreement;
  const figures = [plain, tilted].flatMap(({ probability, standardError }) => [
    short(probability),
    short(1.96 * standardError),
  ]);
  return [...boundaryCells(agreement), ...figures, difference.toFixed(1)];
}

const directHeadings = [
  'scenario',
  'detector',
  'level',
  'req/s',
  'years',
  'false alarms',
  '/year ≤',
  'false switches',
];

function directCells(result: Guarantee['direct']['results'][number]): string[] {
  const { scenario, detector, level, rate, modelYears, falseAlarms, falseAlarmsPerYearUpper95 } = result;
  return [
    ...[scenario, detector, level, String(rate), modelYears.toFixed(2), String(falseAlarms)],
    short(falseAlarmsPerYearUpper95!),
    String(result.falseSwitches),
  ];
}

const hardDownCells = (one: HardDown) => [...boundaryCells(one), short(one.per1000Years)];

const short = (value: number) => Number(value.toPrecision(3)).toString();
