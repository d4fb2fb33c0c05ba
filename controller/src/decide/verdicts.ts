import type { Assessment, LevelAssessment, SignalAssessment, Verdict } from '../types.ts';
import type { Situation } from './situation.ts';

/* What is known of a model, as the decisions ask for it. */

export const isCritical = (verdict: Verdict) => verdict.kind === 'degraded' && verdict.level === 'critical';

export function verdictOf({ assessments }: Situation, model: string): Verdict {
  return assessments.get(model)?.verdict ?? { kind: 'unknown', reason: 'never assessed' };
}

/**
 * A critical verdict that fired after `since` and is still seen to stand; one from before, which waits for recovery, does
 * not count.
 */
export function troubleSince(
  { assessments }: Situation,
  model: string,
  since: number,
): SignalAssessment | undefined {
  return assessments.get(model)?.signals.find(signal => isTroubleSince(signal, since));
}

/** What stood when it was last seen says nothing about now. */
export const isTroubleSince = ({ verdict, levels: { critical } }: SignalAssessment, since: number) =>
  verdict.kind !== 'unknown' && firedSince(critical, since);

export const firedSince = ({ stands, firedAt }: LevelAssessment, since: number) => stands && firedAt! > since;

export function signalOf(assessment: Assessment, signal: SignalAssessment['signal']): SignalAssessment {
  return assessment.signals.find(assessed => assessed.signal === signal)!;
}

/**
 * What came last speaks for the model: about five good requests in a row at the spec's thresholds. A route that could
 * not be moved in time, because nobody could take over, is not moved once the trouble is over; while it goes on, bad
 * requests soon say so again.
 */
export const isRecovering = ({ levels: { critical } }: SignalAssessment) => critical.recoveryRise >= 0.1;
