import { type MetricDefinition, prometheusName } from '@neuroweaver/instrumentation/metrics';
import { exported, type Profile, profiles } from '@relaycore/rules';

/** Phases of a route, in the order of their codes from 1: the higher, the further from normal. */
export const phases = ['primary', 'balanced', 'ramping', 'probing', 'failed_over'] as const;

/** The phase of each route as a number, for colours: place in `phases`, from 1. */
export function phaseCode(matchers: string): string {
  const coded = phases.map(
    (phase, index) => `${index + 1} * (${exported.routePhase}{${matchers},phase="${phase}"} == 1)`,
  );
  return `max by (route) (${coded.join(' or ')})`;
}

/** The verdict on each model and signal as a number: -1 unknown, 0 healthy, 1 warning, 2 critical. */
export function verdictCode(matchers = ''): string {
  const labels = 'model, version, signal';
  const worst =
    `max by (${labels}) (2 * ${select(exported.verdict, matchers, 'level="critical"')}` +
    ` or ${select(exported.verdict, matchers, 'level="warning"')})`;
  const known = latest(exported.known, matchers, labels);
  return `${worst} * ${known} + ${known} - 1`;
}

/** The verdict of each level by itself: -1 unknown, 0 does not stand, 1 stands. */
export function levelCode(matchers: string): string {
  const known = `on (model, version, signal) group_left () ${latest(exported.known, matchers, 'model, version, signal')}`;
  return `${latest(exported.verdict, matchers, 'model, version, signal, level')} * ${known} + ${known} - 1`;
}

/** Evidence as a share of what makes a verdict: 1 is the verdict. Evidence below zero speaks for health and is 0. */
export function evidenceShare(matchers: string, by: string): string {
  return `clamp_min(${latest(exported.evidence, matchers, by)}, 0) / ${latest(exported.evidenceThreshold, matchers, by)}`;
}

/** Several controllers export the same; the highest stands for all. */
export const latest = (name: string, matchers: string, by: string) =>
  `max by (${by}) (${select(name, matchers)})`;

export const rate = (selector: string) => `rate(${selector}[$__rate_interval])`;

/** An estimated quantile; `by` as in PromQL. Seconds. */
export function quantile(q: number, histogram: MetricDefinition, matchers: string, by: string): string {
  return `histogram_quantile(${q}, sum by (le, ${by}) (${rate(part(histogram, 'bucket', matchers))}))`;
}

export interface Share {
  readonly counter: string;
  /** Matchers of the part and of the whole. */
  readonly bad: string;
  readonly all: string;
  readonly by: string;
}

/** A share of a counter. Where the part was never born it is 0, not absent. */
export function share({ counter, bad, all, by }: Share): string {
  const sum = (matchers: string) => `sum by (${by}) (${rate(`${counter}{${matchers}}`)})`;
  return `(${sum(bad)} or 0 * ${sum(all)}) / ${sum(all)}`;
}

/** Matcher of the requests at a model server that count against it. */
export const badRequests = badOutcomes(profiles.neuroweaver!);

/** Matcher of the gateway's attempts that count against a target. */
export const badAttempts = badOutcomes(profiles.relaykit!);

function badOutcomes({ success = [] }: Profile): string {
  const bad = success.flatMap(one => (typeof one.bad === 'boolean' ? [] : one.bad));
  return bad.map(({ label, values }) => `${label}=~"${values.join('|')}"`).join(',');
}

/** Exporters write a duration's unit into its name or not; both are found. */
function part(histogram: MetricDefinition, suffix: string, matchers: string): string {
  const name = prometheusName(histogram);
  return histogram.unit === 's'
    ? `{__name__=~"${name}(_seconds)?_${suffix}",${matchers}}`
    : `${name}_${suffix}{${matchers}}`;
}

function select(name: string, ...matchers: readonly string[]): string {
  const all = matchers.filter(matcher => matcher !== '').join(',');
  return all === '' ? name : `${name}{${all}}`;
}
