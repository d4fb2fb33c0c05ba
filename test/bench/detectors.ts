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

/**
 * Six hours of traffic in few ticks: half hours, then minutes, then real ones, so that every window is as full as in a
 * controller that has run for long. Gives the time of the last tick.
 */
export function passSixHours(fleet: Fleet, ticks: readonly Tick[], seed: string): number {
  const random = seeded(seed);
  const [coarse, fine, real] = [10 * hourMs, 16 * hourMs - 20 * minuteMs, 16 * hourMs];
  let at = coarse;
  while (at < real + minuteMs) {
    at += at < fine - hourMs / 2 ? hourMs / 2 : at < real ? minuteMs : tickMs;
    const readings = drawReadings(random, fleet);
    for (const tick of ticks) tick(readings, at);
  }
  return at;
}
