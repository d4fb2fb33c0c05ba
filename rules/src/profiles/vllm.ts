import type { Profile } from './profile.ts';

/**
 * vLLM: `vllm/v1/metrics/loggers.py` and `FinishReason` of its engine, version 1 (2026). Requests that its HTTP layer
 * refuses, and those of a dead engine, are in none of these counters: a gateway or probes see them.
 */
export const vllm: Profile = {
  name: 'vllm',
  vantage: 'server',
  modelLabel: 'model_name',
  success: [
    {
      counter: 'vllm:request_success_total',
      // Its name notwithstanding. `length` and `repetition` are answers; what they are worth is for scores to say.
      bad: { label: 'finished_reason', values: ['error'] },
      // The caller left.
      ignored: [{ label: 'finished_reason', values: ['abort'] }],
    },
  ],
  latency: {
    histogram: 'vllm:e2e_request_latency',
    edgesSeconds: [
      0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
    ],
  },
};
