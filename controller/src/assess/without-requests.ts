import {
  type Assessment,
  type LevelAssessment,
  type ProbeResult,
  type RouteState,
  type SignalAssessment,
  serving,
} from '../types.ts';
import { assessmentOf, knownOf } from './assessment.ts';
import type { HardDownRule } from './hard-down.ts';

type FailedProbe = Extract<ProbeResult, { kind: 'failed' }>;

/** Probes in a row that must have failed; one alone may be the prober's own bad moment. */
const leastProbes = 3;

export interface Circumstances {
  readonly probes: ReadonlyMap<string, ProbeResult>;
  readonly routes: ReadonlyMap<string, RouteState>;
  readonly at: number;
  readonly rule: HardDownRule | undefined;
}

/**
 * A dead server reports nothing, and without a gateway's view nobody else does; one that hangs lets requests come to
 * nobody's count. A model of which Prometheus sees nothing any more, or no requests where there always are some, and
 * whose probes fail as well, is down: neither alone would be proof. Not to be asked while Prometheus itself does not
 * answer.
 */
export function judgeWithoutRequests(
  assessments: ReadonlyMap<string, Assessment>,
  circumstances: Circumstances,
): ReadonlyMap<string, Assessment> {
  const changed = new Map<string, Assessment>();
  for (const [model, assessment] of assessments) {
    const silence = assessment.silence && silenceInService(assessment, circumstances);
    const judged = assessment.silence && !silence ? withoutSilence(assessment) : assessment;
    const failed = failedProbe(model, circumstances);
    if (failed && (silence || !isSeen(assessment)))
      changed.set(model, unreachable(judged, failed, circumstances.rule!));
    else if (judged !== assessment) changed.set(model, judged);
  }
  return changed.size === 0 ? assessments : new Map([...assessments, ...changed]);
}

/** A target that the route sends nothing, or has only begun to send something, is not silent but drained. */
function silenceInService(
  { model, silence }: Assessment,
  { routes, at }: Circumstances,
): Assessment['silence'] {
  const { since, believedAfterMs } = silence!;
  const carrying = [...routes.values()].filter(({ weights }) => model in weights);
  if (carrying.length === 0) return silence;
  const busy = carrying.filter(({ weights }) => serving(weights) === model);
  const inChargeSince = Math.min(...busy.map(({ updatedAt }) => updatedAt));
  return at - Math.max(since, inChargeSince) >= believedAfterMs ? silence : undefined;
}

const withoutSilence = (assessment: Assessment): Assessment =>
  assessmentOf({ ...knownOf(assessment), verdict: assessment.verdict }, () => assessment.signals);

const isSeen = ({ signals }: Assessment) =>
  signals.some(({ vantage }) => vantage === 'gateway' || vantage === 'server');

function failedProbe(model: string, { probes, rule, at }: Circumstances): FailedProbe | undefined {
  const probe = probes.get(model);
  if (!rule || probe?.kind !== 'failed' || probe.failures < leastProbes) return undefined;
  return at - probe.since >= rule.forMs ? probe : undefined;
}

function unreachable(
  assessment: Assessment,
  { failures, since }: FailedProbe,
  { forMs }: HardDownRule,
): Assessment {
  const firedAt = since + forMs;
  const verdict = { kind: 'degraded', level: 'critical', signal: 'success', since: firedAt } as const;
  const fire = (level: LevelAssessment): LevelAssessment => ({
    ...level,
    stands: true,
    standsSince: firedAt,
    firedAt,
    since,
    rule: 'unreachable',
    counts: { requests: failures, bad: failures },
  });
  const signals = assessment.signals.map(
    (signal): SignalAssessment =>
      signal.signal === 'success'
        ? {
            ...signal,
            verdict,
            vantage: 'probe',
            levels: { ...signal.levels, critical: fire(signal.levels.critical) },
          }
        : signal,
  );
  return { ...knownOf(assessment), verdict, signals };
}
