import { type Level, levels, type Policy, type Signal } from '@relaycore/rules';
import type { Observation, SignalReadings } from '../../controller/src/types.ts';

/*
 * What people build first: the mean of the last ten minutes against the threshold, from 50 requests on. One ring of
 * minutes a model, signal and level.
 */

const minuteMs = 60_000;

/** Which levels each model has now; call it once a tick. */
export function windowDetector(policy: Policy) {
  const known = new Map<string, readonly Watch[]>();
  return function tick(
    models: ReadonlyMap<string, SignalReadings>,
    at: number,
  ): ReadonlyMap<string, Level | 'healthy'> {
    const verdicts = new Map<string, Level | 'healthy'>();
    for (const [model, readings] of models) {
      const watches = known.get(model) ?? watchesOf(policy, model);
      known.set(model, watches);
      verdicts.set(model, verdictOf(policy, watches, readings, at));
    }
    return verdicts;
  };
}

interface Watch {
  readonly signal: Signal;
  readonly level: Level;
  readonly ring: Ring;
}

function watchesOf(policy: Policy, model: string): readonly Watch[] {
  const signals = policy.models[model]?.signals ?? policy.defaults;
  return signals.flatMap(signal =>
    levels.map(level => ({ signal, level, ring: newRing(policy.alerts.windowMinutes) })),
  );
}

function verdictOf(
  { alerts }: Policy,
  watches: readonly Watch[],
  readings: SignalReadings,
  at: number,
): Level | 'healthy' {
  let worst: Level | 'healthy' = 'healthy';
  for (const { signal, level, ring } of watches) {
    const reading = readings[signal.name];
    if (reading?.kind === 'counts') addToRing(ring, at, reading.levels[level]);
    const { requests, bad } = sumOf(ring);
    const isBeyond = requests >= alerts.minRequests && bad > signal.levels[level].allowedBad * requests;
    if (isBeyond && worst !== 'critical') worst = level;
  }
  return worst;
}

interface Ring {
  readonly requests: Float64Array;
  readonly bad: Float64Array;
  minute: number;
}

const newRing = (minutes: number): Ring => ({
  requests: new Float64Array(minutes),
  bad: new Float64Array(minutes),
  minute: 0,
});

function addToRing(ring: Ring, at: number, observations: readonly Observation[]): void {
  const minute = Math.floor(at / minuteMs);
  const size = ring.requests.length;
  for (let m = Math.max(ring.minute + 1, minute - size + 1); m <= minute; m++) {
    ring.requests[m % size] = 0;
    ring.bad[m % size] = 0;
  }
  ring.minute = minute;
  for (const { badness, count } of observations) {
    ring.requests[minute % size]! += count;
    ring.bad[minute % size]! += badness * count;
  }
}

function sumOf({ requests, bad }: Ring): { readonly requests: number; readonly bad: number } {
  let requestSum = 0;
  let badSum = 0;
  for (let i = 0; i < requests.length; i++) {
    requestSum += requests[i]!;
    badSum += bad[i]!;
  }
  return { requests: requestSum, bad: badSum };
}
