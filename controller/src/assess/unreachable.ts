import type { Assessment, LevelAssessment, ProbeResult, SignalAssessment } from '../types.ts';
import type { HardDownRule } from './hard-down.ts';

/** Probes in a row that must have failed; one alone may be the prober's own bad moment. */
const leastProbes = 3;

/**
 * A dead server reports nothing, and without a gateway's view nobody else does. A model of which Prometheus sees
 * nothing any more, and whose probes fail as well, is down: neither alone would be proof. Not to be asked while
 * Prometheus itself does not answer.
 */
export function withProbes(
  assessments: ReadonlyMap<string, Assessment>,
  probes: ReadonlyMap<string, ProbeResult>,
  at: number,
  rule: HardDownRule | undefined,
): ReadonlyMap<string, Assessment> {
  if (!rule) return assessments;
  const down = [...assessments.values()].flatMap(assessment => {
    const probe = probes.get(assessment.model);
    const isSeen = assessment.signals.some(({ vantage }) => vantage !== undefined && vantage !== 'elsewhere');
    if (isSeen || probe?.kind !== 'failed' || probe.failures < leastProbes) return [];
    return at - probe.since >= rule.forMs ? [unreachable(assessment, probe, rule)] : [];
  });
  if (down.length === 0) return assessments;
  return new Map([...assessments, ...down.map(assessment => [assessment.model, assessment] as const)]);
}

function unreachable(
  assessment: Assessment,
  { failures, since }: Extract<ProbeResult, { kind: 'failed' }>,
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
  return { ...assessment, verdict, signals };
}
