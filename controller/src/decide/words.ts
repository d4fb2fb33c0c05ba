import type { Level } from '@relaycore/rules';
import {
  type Assessment,
  type Change,
  type Decision,
  isChange,
  type ReasonCode,
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
  const { signal, levels } = assessed;
  const { threshold, allowedBad, rule } = levels[level];
  const against = signal === 'latency' ? `, ${percent(allowedBad)} allowed,` : ` below ${threshold}`;
  const proof = rule === undefined || rule === 'shiryaev-roberts' ? evidence(assessed, level) : proofs[rule];
  return `${value(assessed, level)}${against} over ${counted(assessed, level)} (${proof})`;
}

/** What the healthy signals of a model show, and how far each is from a verdict. */
export function seen({ signals }: Assessment): string {
  return signals
    .filter(({ verdict }) => verdict.kind === 'healthy')
    .map(
      signal =>
        `${value(signal, 'critical')} over ${counted(signal, 'critical')} (${evidence(signal, 'critical')})`,
    )
    .join('; ');
}

const proofs = {
  'hard-down': 'all failed',
  unreachable: 'all failed, and no target that was scraped lately knows the model',
} as const;

function value({ signal, levels }: SignalAssessment, level: Level): string {
  const { counts, threshold } = levels[level];
  const bad = counts.requests > 0 ? counts.bad / counts.requests : 0;
  switch (signal) {
    case 'success':
      return `success rate ${(1 - bad).toFixed(4)}`;
    case 'latency':
      return `${percent(bad)} slower than ${threshold} ms`;
    case 'accuracy':
      return `accuracy ${(1 - bad).toFixed(4)}`;
  }
}

function counted({ signal, vantage, levels }: SignalAssessment, level: Level): string {
  const what = vantage === 'probe' ? 'probes' : signal === 'accuracy' ? 'scores' : 'requests';
  return `${Math.round(levels[level].counts.requests)} ${what}`;
}

const evidence = ({ levels }: SignalAssessment, level: Level) =>
  `evidence ${levels[level].evidence.toFixed(1)} of ${levels[level].evidenceThreshold.toFixed(1)} nats`;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
