import { inColumns } from '../support/columns.ts';
import type { Quantiles, Result } from './summary.ts';

/** The results for people, one line each. */
export function tableOf(results: readonly Result[]): string {
  const rows = [headings, ...results.map(cells)];
  return [...inColumns(rows, textColumns), '', legend].join('\n');
}

const headings = [
  'scenario',
  'detector',
  'level',
  'req/s',
  'years',
  'false alarms',
  '/year ≤',
  'false switches',
  'recall',
  'bound',
  'delay s',
  'p99',
  'ratio',
  'p99',
  'switches/day',
  'failed',
];
const textColumns = 3;

const legend = `years: healthy time; /year ≤: the rate of false alarms is below this with 95 % confidence; recall: incidents noticed
within 3 × bound + 120 s; bound: ln A / KL(after ‖ threshold) in requests; delay: median and p99 from onset to verdict;
ratio: requests until the verdict over the bound; false switches without backups: critical verdicts that would have moved a route`;

function cells(result: Result): string[] {
  return [
    result.scenario,
    result.detector,
    result.level,
    String(result.rate),
    result.modelYears.toFixed(2),
    String(result.falseAlarms),
    number(result.falseAlarmsPerYearUpper95),
    String(result.falseSwitches),
    result.recall === null ? '-' : `${(100 * result.recall).toFixed(result.recall === 1 ? 0 : 1)} %`,
    result.bound === null ? '-' : result.bound.toFixed(0),
    ...both(result.delaySeconds, value => value.toFixed(0)),
    ...both(result.delayRatio, value => value.toFixed(2)),
    result.switchesPerDay.toFixed(2),
    result.failedShare === null ? '-' : `${(100 * result.failedShare).toFixed(2)} %`,
  ];
}

const number = (value: number | null) => (value === null ? '-' : Number(value.toPrecision(3)).toString());

const both = ({ median, p99 }: Quantiles, show: (value: number) => string) =>
  [median, p99].map(value => (value === null ? '-' : show(value)));
