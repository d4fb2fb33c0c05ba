import type { Policy } from '@relaycore/rules';
import type { Assessment, Readings, RouteState } from '../types.ts';
import { assess, type ModelState, newModelState } from './assess.ts';

/** All models of one tick. `memory` holds what is remembered of each between ticks and is brought up to date. */
export function assessModels(
  policy: Policy,
  memory: Map<string, ModelState>,
  readings: Pick<Readings, 'models' | 'at'>,
  routes: ReadonlyMap<string, RouteState>,
): ReadonlyMap<string, Assessment> {
  const assessments = new Map<string, Assessment>();
  const proving = provingSince(policy, routes);
  const { at } = readings;
  for (const [model, signals] of readings.models) {
    const known = policy.models[model];
    let state = memory.get(model);
    if (!state) {
      state = newModelState(at);
      memory.set(model, state);
    }
    const assessment = assess(state, {
      model,
      version: known?.version,
      signals: known?.signals ?? policy.defaults,
      policy,
      readings: signals,
      at,
      provingSince: proving.get(model),
    });
    assessments.set(model, assessment);
  }
  return assessments;
}

/** Primaries that prove themselves now, and since when their evidence counts. */
function provingSince(policy: Policy, routes: ReadonlyMap<string, RouteState>): ReadonlyMap<string, number> {
  const since = new Map<string, number>();
  for (const { route, phase } of routes.values()) {
    const primary = policy.routes[route]?.targets[0];
    if (primary !== undefined && (phase.kind === 'probing' || phase.kind === 'ramping'))
      since.set(primary, Math.max(phase.since, since.get(primary) ?? 0));
  }
  return since;
}
