import {
  defaultLatencyThresholdsSeconds,
  edgesWithThresholds,
  metrics,
  prometheusName,
} from '@neuroweaver/instrumentation/metrics';
import type { Profile } from './profile.ts';

/** A gateway that embeds the relay kit: what callers got, per attempt, also those that a retry hid. */
export const relaykit: Profile = {
  name: 'relaykit',
  vantage: 'gateway',
  modelLabel: 'gen_ai_request_model',
  versionLabel: 'ml_model_version',
  success: [
    {
      counter: prometheusName(metrics.gatewayAttempts),
      bad: { label: 'outcome', values: ['error', 'timeout', 'refused', 'rate_limited'] },
      quota: { label: 'outcome', values: ['rate_limited'] },
      ignored: [{ label: 'outcome', values: ['cancelled'] }],
    },
  ],
  latency: {
    histogram: prometheusName(metrics.gatewayDuration),
    edgesSeconds: edgesWithThresholds(metrics.gatewayDuration, defaultLatencyThresholdsSeconds),
  },
};
