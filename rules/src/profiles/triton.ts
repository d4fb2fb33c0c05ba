import type { Profile } from './profile.ts';

/**
 * Triton Inference Server, `src/metrics.cc` and `src/metric_model_reporter.cc` of its core (June 2026). Of durations it
 * has only sums in microseconds: from a mean nobody knows the share of slow requests, so there is no latency. Its one
 * histogram, off by default, is of first responses.
 */
export const triton: Profile = {
  name: 'triton',
  vantage: 'server',
  modelLabel: 'model',
  versionLabel: 'version',
  success: [
    { counter: 'nv_inference_request_success', bad: false },
    {
      counter: 'nv_inference_request_failure',
      bad: true,
      ignored: [{ label: 'reason', values: ['CANCELED'] }],
    },
  ],
};
