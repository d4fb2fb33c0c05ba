import type { Profile } from './profile.ts';

/**
 * SGLang 0.5.23, `sglang/srt/observability/metrics_collector.py`. It counts requests that finished and those that were
 * aborted, by callers or by operators, but none that failed: so it has no success to report.
 */
export const sglang: Profile = {
  name: 'sglang',
  vantage: 'server',
  modelLabel: 'model_name',
  latency: {
    histogram: 'sglang:e2e_request_latency',
    edgesSeconds: [
      0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400, 600, 1200, 1800, 2400,
    ],
  },
};
