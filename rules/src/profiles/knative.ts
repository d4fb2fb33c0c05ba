import type { Profile } from './profile.ts';

const duration = 'kn_serving_invocation_duration';

/**
 * The queue proxy of Knative Serving 1.19 and later, which stands in front of KServe's model servers,
 * `pkg/queue/request_metric.go` (1.23). It names no model: the scrape configuration has to. Its probes are not counted.
 */
export const knative: Profile = {
  name: 'knative',
  vantage: 'server',
  modelLabel: 'model',
  success: [
    {
      counter: `${duration}_seconds_count`,
      bad: { label: 'http_response_status_code', values: ['5..'] },
      ignored: [{ label: 'http_response_status_code', values: ['4..'] }],
    },
  ],
  latency: {
    histogram: duration,
    edgesSeconds: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  },
};
