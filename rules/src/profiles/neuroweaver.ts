import {
  defaultLatencyThresholdsSeconds,
  edgesWithThresholds,
  metrics,
  prometheusName,
} from '@neuroweaver/instrumentation/metrics';
import type { Profile } from './profile.ts';

/** A model server with `@neuroweaver/instrumentation`. */
export const neuroweaver: Profile = {
  name: 'neuroweaver',
  vantage: 'server',
  modelLabel: 'gen_ai_request_model',
  versionLabel: 'ml_model_version',
  success: [
    {
      counter: prometheusName(metrics.requests),
      bad: { label: 'outcome', values: ['error', 'timeout'] },
      quota: { label: 'error_type', values: ['rate_limited'] },
      ignored: [
        { label: 'outcome', values: ['cancelled'] },
        { label: 'error_type', values: ['invalid_request', 'unauthorized'] },
      ],
    },
  ],
  latency: {
    histogram: prometheusName(metrics.requestDuration),
    edgesSeconds: edgesWithThresholds(metrics.requestDuration, defaultLatencyThresholdsSeconds),
  },
  scores: { histogram: prometheusName(metrics.evaluationScore), nameLabel: 'evaluation_name' },
  feedback: { histogram: prometheusName(metrics.feedbackRating) },
};
