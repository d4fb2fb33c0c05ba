import type { Level, Unit } from '@relaycore/rules';
import {
  type Assessment,
  type Change,
  type Decision,
  isChange,
  type LevelAssessment,
  type ReasonCode,
  type ResourceAssessment,
  type SignalAssessment,
  type Verdict,
} from '../types.ts';

/** Nothing moves, for this reason. */
export function hold(
  reason: ReasonCode,
  words: string,
  more: Pick<Decision, 'evidence' | 'alternatives'> = {},
): Exclude<Decision, Change> {
  return { kind: 'hold', reason, words, ...(more.evidence && { signal: more.evidence.signal }), ...more };
}

/** `failover to spam-v2: spam-v1: success rate …` */
export function describeDecision(decision: Decision): string {
  const { kind, words } = decision;
  return `${kind}${isChange(decision) ? ` to ${decision.to}` : ''}: ${words}`;
}

export function describeVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'healthy':
      return 'healthy';
    case 'degraded':
      return `${verdict.signal} ${verdict.level}`;
    case 'unknown':
      return `unknown (${verdict.reason})`;
  }
}

/** The measured value beside its threshold: `accuracy 0.7900 below 0.85 over 812 scores (evidence 23.1 of 22.6 nats)`. */
export function measured(assessed: SignalAssessment, level: Level): string {
  const against = allowance(assessed.levels[level]);
  return `${value(assessed, level)}${against} ${basis(assessed, level)}`;
}

/** What the healthy signals of a model show, and how far each is from a verdict. */
export function seen({ signals }: Assessment): string {
  return signals
    .filter(({ verdict }) => verdict.kind === 'healthy')
    .map(signal =>
      signal.resource
        ? value(signal, 'warning') + place(signal.resource)
        : `${value(signal, 'critical')} over ${counted(signal, 'critical')} (${evidence(signal, 'critical')})`,
    )
    .join('; ');
}

/** A resource as it is now; while it stands, with what would end it. */
export function resourceNow(assessed: SignalAssessment): string {
  const { clearBelow, forMs } = assessed.resource!;
  const end = assessed.levels.critical.stands ? `, not below ${short(clearBelow)} for ${forMs / 1000} s` : '';
  return `${value(assessed, 'critical')}${end}`;
}

/** What a verdict rests on: so many requests and their evidence, or so long at one instance. */
function basis(assessed: SignalAssessment, level: Level): string {
  const { firedAt, since, rule } = assessed.levels[level];
  if (assessed.resource) return `for ${Math.round((firedAt! - since!) / 1000)} s${place(assessed.resource)}`;
  const proof = rule === 'hard-down' || rule === 'unreachable' ? proofs[rule] : evidence(assessed, level);
  return `over ${counted(assessed, level)} (${proof})`;
}

const place = ({ instance }: ResourceAssessment) => (instance === undefined ? '' : ` at ${instance}`);

const proofs = {
  'hard-down': 'all failed',
  unreachable: 'all failed, and no target that was scraped lately knows the model',
} as const;

function value({ signal, levels, resource }: SignalAssessment, level: Level): string {
  const { counts, threshold, unit } = levels[level];
  const bad = counts.requests > 0 ? counts.bad / counts.requests : 0;
  switch (unit) {
    case 'success rate':
      return `success rate ${(1 - bad).toFixed(4)}`;
    case 'ms':
      return `${percent(bad)} slower than ${threshold} ms`;
    case 'score':
      return `${signal} ${(1 - bad).toFixed(4)}`;
    case 'bad share':
      return `${signal} ${exactPercent(bad)}`;
    case 'value':
      return `${signal} ${short(resource!.value)}`;
  }
}

function allowance({ unit, threshold, allowedBad }: LevelAssessment): string {
  switch (unit) {
    case 'success rate':
    case 'score':
      return ` below ${threshold}`;
    case 'ms':
      return `, ${percent(allowedBad)} allowed,`;
    case 'bad share':
      return ` above ${exactPercent(threshold)}`;
    case 'value':
      return ` above ${short(threshold)}`;
  }
}

const countedAs: Readonly<Record<Unit, string>> = {
  'success rate': 'requests',
  ms: 'requests',
  score: 'scores',
  'bad share': 'events',
  value: 'values',
};

function counted({ vantage, levels }: SignalAssessment, level: Level): string {
  const { counts, unit } = levels[level];
  return `${Math.round(counts.requests)} ${vantage === 'probe' ? 'probes' : countedAs[unit]}`;
}

const evidence = ({ levels }: SignalAssessment, level: Level) =>
  `evidence ${levels[level].evidence.toFixed(1)} of ${levels[level].evidenceThreshold.toFixed(1)} nats`;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
/** Thresholds of a policy's own may be small: 0.0004 is 0.04 %. */
const exactPercent = (share: number) => `${Number((100 * share).toPrecision(3))} %`;
/** Four digits are enough, of bytes too. */
const short = (value: number) =>
  Math.abs(value) < 1e6
    ? String(Number(value.toPrecision(4)))
    : value.toExponential(3).replace(/\.?0*e\+/, 'e');
