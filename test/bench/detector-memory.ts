import { seeded } from '../sim/random.ts';
import { bytesInUse } from './child.ts';
import { type DetectorName, detectors, passSixHours } from './detectors.ts';
import { drawReadings, newFleet, tickMs } from './fleet.ts';

/* Prints what the named detector holds between ticks, in bytes a model: its state and its last answer. */

const enoughModels = 2000;
const fleet = newFleet(enoughModels);
const before = bytesInUse();
const tick = detectors[process.argv[2] as DetectorName](fleet);
const at = passSixHours(fleet, [tick], 'six hours');
const held = tick(drawReadings(seeded('last'), fleet), at + tickMs);
console.log((bytesInUse() - before) / fleet.models.length);
// Referred to until here, so that it counts.
tick(new Map(), at + 2 * tickMs);
void held;
