import type { Level, Policy, Resource, ResourceLevel } from '@relaycore/rules';
import type {
  Assessment,
  GaugeReading,
  LevelAssessment,
  Readings,
  SignalAssessment,
  Verdict,
} from '../types.ts';
import { assessmentOf, knownOf } from './assessment.ts';
import { recoveredAt } from './recovery.ts';

/** What is remembered of the resources of each model, by model and resource. Lost at a restart, it starts anew. */
export type GaugeStates = ReadonlyMap<string, ReadonlyMap<string, GaugeState>>;

interface GaugeState {
  /** The last value that was seen, and when. */
  readonly reading: GaugeReading;
  readonly seenAt: number;
  readonly levels: Readonly<Record<Level, Run>>;
}

interface Run {
  /** Above the threshold, or below the end of it, without a break since then. */
  readonly aboveSince?: number;
  readonly belowSince?: number;
  readonly stands?: { readonly since: number; readonly standsSince: number; readonly firedAt: number };
}

const nothing: Run = {};

export interface GaugeInput {
  readonly policy: Policy;
  readonly readings: Pick<Readings, 'at' | 'resources' | 'failures'>;
}

/**
 * The resources beside the signals of each model. A warning of a resource is a warning of the model; only one that has
 * a critical threshold can make it critical. A resource that was never seen of a model is none of its; one that is not
 * seen now is unknown and changes nothing. What a resource says does not make an unknown model known.
 */
export function withGauges(
  assessments: ReadonlyMap<string, Assessment>,
  states: GaugeStates,
  { policy, readings }: GaugeInput,
): { readonly states: GaugeStates; readonly assessments: ReadonlyMap<string, Assessment> } {
  const nextStates = new Map<string, ReadonlyMap<string, GaugeState>>();
  const next = new Map(assessments);
  for (const [model, assessment] of assessments) {
    const now = readings.resources.get(model);
    const before = states.get(model);
    if (!now && !before) continue;
    const ofModel = new Map<string, GaugeState>();
    const signals = policy.resources.flatMap(resource => {
      const state = step(before?.get(resource.name), now?.get(resource.name), resource, policy, readings.at);
      if (!state) return [];
      ofModel.set(resource.name, state);
      return [gaugeAssessment(resource, state, readings)];
    });
    nextStates.set(model, ofModel);
    if (signals.length > 0) next.set(model, withResources(assessment, signals));
  }
  return { states: nextStates, assessments: next };
}

function step(
  state: GaugeState | undefined,
  reading: GaugeReading | undefined,
  { levels: limits, forMs }: Resource,
  { detection }: Policy,
  at: number,
): GaugeState | undefined {
  if (!reading) return state;
  // What happened in a long gap is not known, so no run spans it.
  const isGap = state !== undefined && at - state.seenAt > detection.maxGapMs;
  const run = (level: Level): Run => {
    const limit = limits[level];
    if (!limit) return nothing;
    const before = state?.levels[level] ?? nothing;
    return nextRun(isGap ? withoutRuns(before) : before, reading.value, limit, forMs, at);
  };
  return { reading, seenAt: at, levels: { warning: run('warning'), critical: run('critical') } };
}

const withoutRuns = ({ stands }: Run): Run => (stands ? { stands } : nothing);

function nextRun(
  run: Run,
  value: number,
  { threshold, clearBelow }: ResourceLevel,
  forMs: number,
  at: number,
): Run {
  if (value > threshold) {
    const aboveSince = run.aboveSince ?? at;
    if (at - aboveSince < forMs) return { ...withoutRuns(run), aboveSince };
    const { since, standsSince } = run.stands ?? { since: aboveSince, standsSince: at };
    return { aboveSince, stands: { since, standsSince, firedAt: at } };
  }
  if (!run.stands || value >= clearBelow) return withoutRuns(run);
  const belowSince = run.belowSince ?? at;
  return at - belowSince < forMs ? { stands: run.stands, belowSince } : nothing;
}

function gaugeAssessment(
  { name, forMs, levels: limits }: Resource,
  { reading, seenAt, levels: runs }: GaugeState,
  { at, failures }: GaugeInput['readings'],
): SignalAssessment {
  const level = (which: Level) => levelAssessment(which, runs[which], limits[which], at);
  const verdict = (): Verdict => {
    if (seenAt < at)
      return { kind: 'unknown', reason: failures?.get(name) ?? `no value of ${name} for this model` };
    const standing = (['critical', 'warning'] as const).find(which => runs[which].stands);
    if (!standing) return { kind: 'healthy' };
    return { kind: 'degraded', level: standing, signal: name, since: runs[standing].stands!.standsSince };
  };
  return {
    signal: name,
    verdict: verdict(),
    levels: { warning: level('warning'), critical: level('critical') },
    requests: 0,
    resource: { ...reading, seenAt, forMs, clearBelow: limits.warning.clearBelow },
  };
}

/** In the form of a signal. There is no evidence; recovered is what does not stand. */
function levelAssessment(
  level: Level,
  { stands }: Run,
  limit: ResourceLevel | undefined,
  at: number,
): LevelAssessment {
  return {
    level,
    stands: stands !== undefined,
    ...(stands && { ...stands, rule: 'resource' as const }),
    evidence: 0,
    evidenceThreshold: 0,
    recovery: stands ? 0 : recoveredAt,
    recoveryRise: 0,
    recoverySince: at,
    counts: { requests: 0, bad: 0 },
    allowedBad: 0,
    threshold: limit?.threshold ?? Number.POSITIVE_INFINITY,
    unit: 'value',
  };
}

const withResources = (assessment: Assessment, resources: readonly SignalAssessment[]): Assessment =>
  assessmentOf(
    {
      ...knownOf(assessment),
      verdict: worse(assessment.verdict, resources),
      ...(assessment.silence && { silence: assessment.silence }),
    },
    () => [...assessment.signals, ...resources],
  );

/** Critical before unknown before warning; of a critical one that is not seen now nothing can be said. */
function worse(verdict: Verdict, resources: readonly SignalAssessment[]): Verdict {
  const degraded = (level: Level) =>
    resources.find(resource => resource.verdict.kind === 'degraded' && resource.verdict.level === level)
      ?.verdict;
  const isCritical = verdict.kind === 'degraded' && verdict.level === 'critical';
  const unseen = resources.find(
    ({ verdict, levels }) => verdict.kind === 'unknown' && levels.critical.stands,
  );
  if (isCritical) return verdict;
  const said = degraded('critical') ?? unseen?.verdict;
  if (said || verdict.kind !== 'healthy') return said ?? verdict;
  return degraded('warning') ?? verdict;
}
