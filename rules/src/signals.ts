import type { ThresholdsFile } from './schema.ts';

/**
 * Every signal is a bounded mean of *badness*: each request or score is bad to a degree in [0, 1], and a level states
 * how large the mean may be. Success: a failed request is 1. Latency: a slow one is 1. Accuracy: 1 − score.
 */
export interface Signal {
  readonly name: SignalName;
  /** Whether one observation is bad or not (a rate), or bad to a degree (a score). */
  readonly kind: 'rate' | 'score';
  readonly levels: Readonly<Record<Level, SignalLevel>>;
}

export type SignalName = 'success' | 'latency' | 'accuracy';
export type Level = 'warning' | 'critical';
export const levels: readonly Level[] = ['warning', 'critical'];

export interface SignalLevel {
  readonly level: Level;
  /** The mean badness that is still acceptable: the null hypothesis of the detector. */
  readonly allowedBad: number;
  /** The policy's own number and its unit, for people: 0.95 (success rate), 5000 (ms), 0.75 (score). */
  readonly threshold: number;
  readonly unit: 'success rate' | 'ms' | 'score';
  /** Latency only: the histogram edge beyond which a request is slow. */
  readonly edgeSeconds?: number;
}

export interface Thresholds {
  readonly accuracy: Readonly<Record<Level, number>>;
  readonly latencyMs: Readonly<Record<Level, number>>;
  readonly slowFraction: number;
  readonly successRate: Readonly<Record<Level, number>>;
}

export const shippedThresholds: Thresholds = {
  accuracy: { warning: 0.85, critical: 0.75 },
  latencyMs: { warning: 2000, critical: 5000 },
  slowFraction: 0.05,
  successRate: { warning: 0.95, critical: 0.9 },
};

export function mergeThresholds(base: Thresholds, written: ThresholdsFile): Thresholds {
  const { accuracy, latency, success_rate: success } = written;
  return {
    accuracy: {
      warning: accuracy?.warning_threshold ?? base.accuracy.warning,
      critical: accuracy?.critical_threshold ?? base.accuracy.critical,
    },
    latencyMs: {
      warning: latency?.warning_threshold_ms ?? base.latencyMs.warning,
      critical: latency?.critical_threshold_ms ?? base.latencyMs.critical,
    },
    slowFraction: latency?.slow_fraction ?? base.slowFraction,
    successRate: {
      warning: success?.warning_threshold ?? base.successRate.warning,
      critical: success?.critical_threshold ?? base.successRate.critical,
    },
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
    {
      name: 'accuracy',
      kind: 'score',
      levels: bothLevels(level => ({
        allowedBad: complement(thresholds.accuracy[level]),
        threshold: thresholds.accuracy[level],
        unit: 'score',
      })),
    },
  ];
}

/** 1 − x, without what binary adds: 1 - 0.95 is 0.050000000000000044. */
const complement = (x: number) => Number((1 - x).toPrecision(12));
