import type { CustomSignalFile, ModelThresholdsFile, PolicyFile } from './schema.ts';

/**
 * Every signal is a bounded mean of *badness*: each request or score is bad to a degree in [0, 1], and a level states
 * how large the mean may be. Success: a failed request is 1. Latency: a slow one is 1. Accuracy: 1 − score. Feedback:
 * 1 − rating.
 */
export type Signal = BuiltInSignal | CustomSignal;

interface Judged {
  /** Whether one observation is bad or not (a rate), or bad to a degree (a score). */
  readonly kind: 'rate' | 'score';
  readonly levels: Readonly<Record<Level, SignalLevel>>;
  /** How long after an answer its score may still come. */
  readonly labelDelayMs?: number;
}

/** A signal that every policy has; the profiles know what the servers call its metrics. */
export interface BuiltInSignal extends Judged {
  readonly name: BuiltInName;
  readonly source?: undefined;
}

/** A signal that a policy adds, and where its numbers come from. */
export interface CustomSignal extends Judged {
  readonly name: SignalName;
  readonly source: SignalSource;
  /** What to say of a degraded model, after its name. */
  readonly words?: string;
}

/** Counters of a policy's own in PromQL: of what was bad and of all, or the histogram of scores in [0, 1]. */
export type SignalSource = { readonly labels: SeriesLabels } & (
  | { readonly kind: 'counters'; readonly bad: string; readonly total: string }
  | { readonly kind: 'scores'; readonly scores: string }
);

/** The labels that name model and version, where the policy says. */
export interface SeriesLabels {
  readonly model?: string;
  readonly version?: string;
}

export const builtInNames = ['success', 'latency', 'accuracy', 'feedback'] as const;
export type BuiltInName = (typeof builtInNames)[number];
/** A built-in signal, or one that a policy adds. */
export type SignalName = string;
export type Level = 'warning' | 'critical';
export const levels: readonly Level[] = ['warning', 'critical'];

export interface SignalLevel {
  readonly level: Level;
  /** The mean badness that is still acceptable: the null hypothesis of the detector. */
  readonly allowedBad: number;
  /** The policy's own number and its unit, for people: 0.95 (success rate), 5000 (ms), 0.75 (score), 0.02 (bad share). */
  readonly threshold: number;
  readonly unit: Unit;
  /** Latency only: the histogram edge beyond which a request is slow. */
  readonly edgeSeconds?: number;
}

/** `value` is that of a resource, whatever it is counted in. */
export type Unit = 'success rate' | 'ms' | 'score' | 'bad share' | 'value';

export interface Thresholds {
  readonly accuracy: Readonly<Record<Level, number>>;
  readonly feedback: Readonly<Record<Level, number>>;
  readonly latencyMs: Readonly<Record<Level, number>>;
  readonly slowFraction: number;
  readonly successRate: Readonly<Record<Level, number>>;
  readonly labelDelayMs: Readonly<Record<'accuracy' | 'feedback', number>>;
  /** Of the signals that the policy adds; without a warning, its threshold is that of critical. */
  readonly custom: Readonly<Record<SignalName, { readonly warning?: number; readonly critical: number }>>;
}

export const shippedThresholds: Thresholds = {
  accuracy: { warning: 0.85, critical: 0.75 },
  feedback: { warning: 0.85, critical: 0.75 },
  latencyMs: { warning: 2000, critical: 5000 },
  slowFraction: 0.05,
  successRate: { warning: 0.95, critical: 0.9 },
  labelDelayMs: { accuracy: 0, feedback: 0 },
  custom: {},
};

/** What holds for every model that says nothing else. */
export const defaultThresholds = ({ model_performance, signals }: PolicyFile): Thresholds =>
  mergeThresholds(shippedThresholds, { ...model_performance, signals });

export function mergeThresholds(base: Thresholds, written: ModelThresholdsFile): Thresholds {
  const { accuracy, feedback, latency, success_rate: success } = written;
  return {
    accuracy: mergePair(base.accuracy, accuracy),
    feedback: mergePair(base.feedback, feedback),
    latencyMs: {
      warning: latency?.warning_threshold_ms ?? base.latencyMs.warning,
      critical: latency?.critical_threshold_ms ?? base.latencyMs.critical,
    },
    slowFraction: latency?.slow_fraction ?? base.slowFraction,
    successRate: mergePair(base.successRate, success),
    labelDelayMs: {
      accuracy: inMs(accuracy?.label_delay_minutes) ?? base.labelDelayMs.accuracy,
      feedback: inMs(feedback?.label_delay_minutes) ?? base.labelDelayMs.feedback,
    },
    custom: mergeCustom(base.custom, written.signals ?? {}),
  };
}

const inMs = (minutes: number | undefined) => (minutes === undefined ? undefined : minutes * 60_000);

function mergePair(base: Readonly<Record<Level, number>>, written: ModelThresholdsFile['accuracy']) {
  return {
    warning: written?.warning_threshold ?? base.warning,
    critical: written?.critical_threshold ?? base.critical,
  };
}

function mergeCustom(
  base: Thresholds['custom'],
  written: NonNullable<ModelThresholdsFile['signals']>,
): Thresholds['custom'] {
  const merged = Object.entries(written).flatMap(([name, pair]) => {
    const warning = pair.warning_threshold ?? base[name]?.warning;
    const critical = pair.critical_threshold ?? base[name]?.critical;
    return critical === undefined ? [] : [[name, { critical, ...(warning !== undefined && { warning }) }]];
  });
  return { ...base, ...Object.fromEntries(merged) };
}

/** The built-in signals, then those that the policy adds. */
export function signalsOf(
  thresholds: Thresholds,
  added: Readonly<Record<SignalName, CustomSignalFile>> = {},
): readonly Signal[] {
  return [
    {
      name: 'success',
      kind: 'rate',
      levels: bothLevels(level => ({
        allowedBad: complement(thresholds.successRate[level]),
        threshold: thresholds.successRate[level],
        unit: 'success rate',
      })),
    },
    {
      name: 'latency',
      kind: 'rate',
      levels: bothLevels(level => ({
        allowedBad: thresholds.slowFraction,
        threshold: thresholds.latencyMs[level],
        unit: 'ms',
        edgeSeconds: thresholds.latencyMs[level] / 1000,
      })),
    },
    ...(['accuracy', 'feedback'] as const).map(name => ({
      name,
      kind: 'score' as const,
      ...delayed(thresholds.labelDelayMs[name]),
      levels: bothLevels(level => ({
        allowedBad: complement(thresholds[name][level]),
        threshold: thresholds[name][level],
        unit: 'score',
      })),
    })),
    ...Object.entries(added).map(([name, written]) => customSignal(name, written, thresholds)),
  ];
}

function customSignal(name: SignalName, written: CustomSignalFile, { custom }: Thresholds): CustomSignal {
  const source = sourceOf(written);
  const { critical, warning = critical } = custom[name]!;
  const thresholds = { warning, critical };
  return {
    name,
    kind: source.kind === 'scores' ? 'score' : 'rate',
    source,
    ...(written.words !== undefined && { words: written.words }),
    ...delayed(inMs(written.label_delay_minutes) ?? 0),
    levels: bothLevels(level => ({
      allowedBad: source.kind === 'scores' ? complement(thresholds[level]) : thresholds[level],
      threshold: thresholds[level],
      unit: source.kind === 'scores' ? 'score' : 'bad share',
    })),
  };
}

const delayed = (labelDelayMs: number) => (labelDelayMs > 0 ? { labelDelayMs } : {});

/** The policy was checked: it has either scores, or bad and total. */
function sourceOf({ bad, total, scores, model_label, version_label }: CustomSignalFile): SignalSource {
  const labels = {
    ...(model_label !== undefined && { model: model_label }),
    ...(version_label !== undefined && { version: version_label }),
  };
  return scores === undefined
    ? { kind: 'counters', bad: bad!, total: total!, labels }
    : { kind: 'scores', scores, labels };
}

const bothLevels = (make: (level: Level) => Omit<SignalLevel, 'level'>) => ({
  warning: { level: 'warning' as const, ...make('warning') },
  critical: { level: 'critical' as const, ...make('critical') },
});

/** 1 − x, without what binary adds: 1 - 0.95 is 0.050000000000000044. */
const complement = (x: number) => Number((1 - x).toPrecision(12));
