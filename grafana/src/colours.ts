import {
  type ThresholdsConfig,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Level } from '@relaycore/rules';

/** What a colour means is the same on every panel; Grafana's names, so that both of its themes stay readable. */
export const colours = {
  good: 'green',
  warning: 'orange',
  bad: 'red',
  /** Too little data: neither good nor bad. */
  unknown: '#8e8e8e',
  /** A fact without judgement. */
  neutral: 'blue',
  clear: 'transparent',
} as const;

export const levelColour: Readonly<Record<Level, string>> = {
  warning: colours.warning,
  critical: colours.bad,
};

/** Colours from a base upwards: each pair is the value from which the colour holds. */
export function steps(base: string, ...above: readonly (readonly [number, string])[]): ThresholdSteps {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: base }, ...above.map(([value, color]) => ({ value, color }))]);
}

export type ThresholdSteps = { build(): ThresholdsConfig };
