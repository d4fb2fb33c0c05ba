import { seeded } from '../sim/random.ts';
import { bytesInUse } from './child.ts';
import { newCounters, newFleet, scrape } from './fleet.ts';
import { newReading } from './reading.ts';

/* Prints what reading holds between ticks, in bytes a model: the last sight of every counter. */

const enoughModels = 2000;
const fleet = newFleet(enoughModels);
const counters = newCounters(fleet);
const random = seeded('read');
const before = bytesInUse();
const reading = newReading(fleet);
for (let i = 0; i < 3; i++) reading(scrape(random, counters));
console.log((bytesInUse() - before) / fleet.models.length);
// Referred to until here, so that it counts.
reading([]);
