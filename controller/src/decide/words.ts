import type { Level } from '@relaycore/rules';
import type { Decision, ReasonCode, SignalAssessment, Verdict } from '../types.ts';

/** Nothing moves, for this reason. */
export function hold(
  reason: ReasonCode,
  words: string,
  more: Pick<Decision, 'evidence' | 'alternatives'> = {},
): Decision {
  return { kind: 'hold', reason, words, ...(more.evidence && { signal: more.evidence.signal }), ...more };
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

/** The measured value beside its threshold, as the policy writes it: `accuracy 0.79 < 0.85 over 812 scores`. */
export function measured({ signal, levels }: SignalAssessment, level: Level): string {
  const { counts, threshold, allowedBad, rule, evidence, evidenceThreshold } = levels[level];
  const proof =
    rule === 'hard-down'
      ? 'all failed'
      : `evidence ${evidence.toFixed(1)} of ${evidenceThreshold.toFixed(1)} nats`;
  const bad = counts.requests > 0 ? counts.bad / counts.requests : 0;
  const requests = Math.round(counts.requests);
  switch (signal) {
    case 'success':
      return `success rate ${(1 - bad).toFixed(4)} below ${threshold} over ${requests} requests (${proof})`;
    case 'latency':
      return `${(100 * bad).toFixed(1)} % of ${requests} requests slower than ${threshold} ms, ${100 * allowedBad} % allowed (${proof})`;
    case 'accuracy':
      return `accuracy ${(1 - bad).toFixed(4)} below ${threshold} over ${requests} scores (${proof})`;
  }
}
