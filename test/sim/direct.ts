import type { Observation, Reading, SignalReadings } from '../../controller/src/types.ts';
import { scoreSteps } from './conditions.ts';
import type { Driven, Outcomes } from './requests.ts';

const undriven: Reading = { kind: 'absent', reason: 'the scenario says nothing about it' };

/** No scenario has ratings; counters say it in these words. */
const unrated: Reading = {
  kind: 'absent',
  reason: 'no feedback series of this model at a target that was scraped lately',
};

/** The readings that exact increments of counters would give, without the counters. */
export function directReadings(driven: Driven, outcomes: Outcomes, scores: Int32Array): SignalReadings {
  const { requests, failed, slowWarning, slowCritical } = outcomes;
  return {
    success: driven.success ? bothLevels(twoSided(requests, failed)) : undriven,
    latency: driven.latency
      ? counts(twoSided(requests, slowWarning), twoSided(requests, slowCritical))
      : undriven,
    accuracy: driven.accuracy ? bothLevels(scoreObservations(scores)) : undriven,
    feedback: unrated,
  };
}

const counts = (warning: readonly Observation[], critical: readonly Observation[]): Reading => ({
  kind: 'counts',
  vantage: 'server',
  levels: { warning, critical },
});

const bothLevels = (observations: readonly Observation[]) => counts(observations, observations);

function twoSided(all: number, bad: number): readonly Observation[] {
  if (all === 0) return nothing;
  if (bad === 0) return [{ badness: 0, count: all }];
  if (bad === all) return [{ badness: 1, count: bad }];
  return [
    { badness: 0, count: all - bad },
    { badness: 1, count: bad },
  ];
}

const nothing: readonly Observation[] = [];

function scoreObservations(scores: Int32Array): readonly Observation[] {
  const found: Observation[] = [];
  for (let i = 0; i <= scoreSteps; i++) {
    const count = scores[i]!;
    if (count > 0) found.push({ badness: 1 - i / scoreSteps, count });
  }
  return found;
}

/** Scores come this many ticks after their requests. */
export function delayed(ticks: number): (scores: Int32Array) => Int32Array {
  if (ticks === 0) return scores => scores;
  const waiting = Array.from({ length: ticks }, () => new Int32Array(scoreSteps + 1));
  let slot = 0;
  return scores => {
    const due = waiting[slot]!;
    waiting[slot] = scores.slice();
    slot = (slot + 1) % ticks;
    return due;
  };
}
