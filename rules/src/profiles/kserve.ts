import type { Profile } from './profile.ts';

/**
 * The model server of KServe 0.20, `python/kserve/kserve/metrics.py`: how long predictions take. It counts no failures;
 * where Knative is in front of it, the profile `knative` does.
 */
export const kserve: Profile = {
  name: 'kserve',
  vantage: 'server',
  modelLabel: 'model_name',
  latency: {
    histogram: 'request_predict',
    // The defaults of the Python client of Prometheus.
    edgesSeconds: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  },
};
