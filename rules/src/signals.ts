import type { ThresholdsFile } from './schema.ts';

/**
 * Every signal is a bounded mean of *badness*: each request or score is bad to a degree in [0, 1], and a level states
 * how large the mean may be. Success: a failed request is 1. Latency: a slow one is 1. Accuracy: 1 − score. Feedback:
 * 1 − rating.
 */
export interface Signal {
  readonly name: BuiltInSignal;
  /** Whether one observation is bad or not (a rate), or bad to a degree (a score). */
  readonly kind: 'rate' | 'score';
  readonly levels: Readonly<Record<Level, SignalLevel>>;
}

/** The signals that every policy has. */
export type BuiltInSignal = 'success' | 'latency' | 'accuracy' | 'feedback';
/** A built-in signal, or one that a policy adds. */
export type SignalName = string;
export type Level = 'warning' | 'critical';
export const levels: readonly Level[] = ['warning', 'critical'];

export interface SignalLevel {
  readonly level: Level;
  /** The mean badness that is still acceptable: the null hypothesis of the detector. */
  readonly allowedBad: number;
  /** The policy's own number and its unit, for people: 0.95 (success rate), 5000 (ms), 0.75 (score). */
  readonly threshold: number;
  readonly unit: Unit;
  /** Latency only: the histogram edge beyond which a request is slow. */
  readonly edgeSeconds?: number;
}

export type Unit = 'success rate' | 'ms' | 'score';

export interface Thresholds {
  readonly accuracy: Readonly<Record<Level, number>>;
  readonly feedback: Readonly<Record<Level, number>>;
  readonly latencyMs: Readonly<Record<Level, number>>;
  readonly slowFraction: number;
  readonly successRate: Readonly<Record<Level, number>>;
}

export const shippedThresholds: Thresholds = {
  accuracy: { warning: 0.85, critical: 0.75 },
  feedback: { warning: 0.85, critical: 0.75 },
  latencyMs: { warning: 2000, critical: 5000 },
  slowFraction: 0.05,
  successRate: { warning: 0.95, critical: 0.9 },
};

export function mergeThresholds(base: Thresholds, written: ThresholdsFile): Thresholds {
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
  };
}

function mergePair(base: Readonly<Record<Level, number>>, written: ThresholdsFile['accuracy']) {
  return {
    warning: written?.warning_threshold ?? base.warning,
    critical: written?.critical_threshold ?? base.critical,
  };
}

export function signalsOf(thresholds: Thresholds): readonly Signal[] {
  const bothLevels = (make: (level: Level) => Omit<SignalLevel, 'level'>) => ({
    warning: { level: 'warning' as const, ...make('warning') },
    critical: { level: 'critical' as const, ...make('critical') },
  });
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
      levels: bothLevels(level => ({
        allowedBad: complement(thresholds[name][level]),
        threshold: thresholds[name][level],
        unit: 'score',
      })),
    })),
  ];
}

/** 1 − x, without what binary adds: 1 - 0.95 is 0.050000000000000044. */
const complement = (x: number) => Number((1 - x).toPrecision(12));
