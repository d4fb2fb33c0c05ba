import type { Profile } from './profile.ts';

/**
 * Text Generation Inference 3.3.7, `router/src/server.rs` and `router/src/infer/mod.rs`. It names no model: the scrape
 * configuration has to.
 */
export const tgi: Profile = {
  name: 'tgi',
  vantage: 'server',
  modelLabel: 'model',
  success: [
    { counter: 'tgi_request_success', bad: false },
    {
      counter: 'tgi_request_failure',
      bad: true,
      // Requests that cannot be answered, and callers who left.
      ignored: [{ label: 'err', values: ['validation', 'template', 'dropped'] }],
    },
  ],
  latency: { histogram: 'tgi_request_duration', edgesSeconds: durationEdges() },
};

/** 35 edges from 0.15 ms to 146 s, made as the server makes them, so that they are the same to the last digit. */
function durationEdges(): readonly number[] {
  const edges: number[] = [];
  for (let edge = 0.0001; edges.length < 35; edges.push(edge)) edge *= 1.5;
  return edges;
}
