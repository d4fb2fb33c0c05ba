import { inColumns } from '../support/columns.ts';

/** How one case went at the fake and at the product; null where it is not asked of that one. */
export interface Result {
  readonly driver: string;
  readonly case: string;
  readonly fake: Outcome | null;
  readonly real: Outcome | null;
}

interface Outcome {
  readonly passed: boolean;
  readonly ms: number;
}

/** @param report what vitest's JSON reporter wrote */
export function resultsIn(report: string): Result[] {
  const { testResults } = JSON.parse(report) as Report;
  const results = new Map<string, Result>();
  for (const { ancestorTitles, title, status, duration = 0 } of testResults.flatMap(
    file => file.assertionResults,
  )) {
    const outcome = { passed: status === 'passed', ms: Math.round(duration) };
    const [driver, side] = sideOf(ancestorTitles[0]!);
    const name = side ? title : `the same answers: ${title}`;
    const key = `${driver} ${name}`;
    const before = results.get(key) ?? { driver, case: name, fake: null, real: null };
    results.set(key, { ...before, ...(side ? { [side]: outcome } : { fake: outcome, real: outcome }) });
  }
  return [...results.values()];
}

/** Driver by case, the product beside its fake. */
export function tableOf(results: readonly Result[]): string {
  const rows = results.map(each => [each.driver, each.case, inWords(each.fake), inWords(each.real)]);
  return inColumns([['driver', 'case', 'its fake', 'the real one'], ...rows], 2).join('\n');
}

/**
 * Every kind of gateway by every case of the suite that all drivers pass: `+` kept, `!` broken, `-` where the case is not
 * asked of it.
 *
 * @param drivers what vitest's JSON reporter wrote about the suite, in which a kind is a suite
 * @param counterparts the same about the products, of which the cases that compare answers are left out
 */
export function suiteTable(drivers: string, counterparts: string): string {
  const ofProducts = casesIn(counterparts).filter(({ kind }) => sideOf(kind)[1] !== undefined);
  const outcomes = [...casesIn(drivers), ...ofProducts];
  const kinds = [...new Set(outcomes.map(({ kind }) => kind))];
  const rows = [...new Set(outcomes.map(({ title }) => title))].map(title => [
    title,
    ...kinds.map(kind => {
      const found = outcomes.find(outcome => outcome.kind === kind && outcome.title === title);
      if (!found) return '-';
      return found.kept ? '+' : '!';
    }),
  ]);
  const letters = kinds.map((_, i) => String.fromCharCode(65 + i));
  const legend = kinds.map((kind, i) => `${letters[i]}  ${kind}`);
  return [...legend, '', ...inColumns([['case', ...letters], ...rows], 1)].join('\n');
}

const casesIn = (report: string) =>
  (JSON.parse(report) as Report).testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .map(({ ancestorTitles: [kind], title, status }) => ({ kind: kind!, title, kept: status === 'passed' }));

const inWords = (outcome: Outcome | null) =>
  outcome === null ? '-' : `${outcome.passed ? 'passed' : 'FAILED'} ${outcome.ms} ms`;

function sideOf(suite: string): [driver: string, side?: 'fake' | 'real'] {
  const [driver, which] = suite.split(', ');
  if (which === 'its fake') return [driver!, 'fake'];
  return which === 'the real one' ? [driver!, 'real'] : [driver!];
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
      readonly duration?: number;
    }[];
  }[];
}
