import type { Profile } from './profile.ts';

/**
 * The proxy of LiteLLM 1.109, `litellm/integrations/prometheus.py`: what it got from its deployments, per attempt, also
 * those that a fallback hid. A model is what its configuration calls `model_name`.
 */
export const litellm: Profile = {
  name: 'litellm',
  vantage: 'gateway',
  modelLabel: 'requested_model',
  success: [
    { counter: 'litellm_deployment_success_responses_total', bad: false },
    {
      counter: 'litellm_deployment_failure_responses_total',
      bad: true,
      quota: { label: 'exception_status', values: ['429'] },
      ignored: [
        // The proxy refused before it picked a deployment: a wrong key, a limit of its own.
        { label: 'model_id', values: [''] },
        // What no deployment could answer, and callers who left.
        { label: 'exception_status', values: ['400', '413', '422', '499'] },
      ],
    },
  ],
  latency: {
    histogram: 'litellm_llm_api_latency_metric',
    edgesSeconds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 420, 600],
  },
};
