import type { ModelState } from '../../controller/src/assess/assess.ts';
import { assessModels } from '../../controller/src/assess/models.ts';
import type { SignalReadings } from '../../controller/src/types.ts';
import { seeded } from '../sim/random.ts';
import { drawReadings, type Fleet, tickMs } from './fleet.ts';
import { windowDetector } from './window-detector.ts';

/** Takes the readings of one tick of the whole fleet; what it answers is what a controller holds until the next. */
export type Tick = (models: ReadonlyMap<string, SignalReadings>, at: number) => unknown;

export const detectors = {
  ours({ policy }: Fleet): Tick {
    const memory = new Map<string, ModelState>();
    return (models, at) => assessModels(policy, memory, { models, at }, new Map());
  },
  naive: ({ policy }: Fleet): Tick => windowDetector(policy),
} as const satisfies Record<string, (fleet: Fleet) => Tick>;

export type DetectorName = keyof typeof detectors;

const hourMs = 3_600_000;
const minuteMs = 60_000;
/** Times as large as real ones: small whole numbers would take less memory. */
const startedAt = Date.UTC(2026, 0, 1);

/**
 * Six hours of traffic in few ticks: half hours, then minutes, then real ones, so that every window is as full as in a
 * controller that has run for long. Gives the time of the last tick.
 */
export function passSixHours(fleet: Fleet, ticks: readonly Tick[], seed: string): number {
  const random = seeded(seed);
  let at = startedAt;
  for (const [stepMs, untilMs] of [
    [hourMs / 2, 5.5 * hourMs],
    [minuteMs, 6 * hourMs],
    [tickMs, 6 * hourMs + minuteMs],
  ] as const)
    while (at - startedAt < untilMs) {
      at += stepMs;
      const readings = drawReadings(random, fleet);
      for (const tick of ticks) tick(readings, at);
    }
  return at;
}
