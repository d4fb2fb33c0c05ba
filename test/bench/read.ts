import { fileURLToPath } from 'node:url';
import type { CounterSample } from '../../controller/src/read/increments.ts';
import { seeded } from '../sim/random.ts';
import type { Benchmark } from './benchmarks.ts';
import { measuredInChild } from './child.ts';
import { newCounters, newFleet, scrape } from './fleet.ts';
import { newReading } from './reading.ts';
import { type Result, sideBySide } from './side-by-side.ts';

export const read: Benchmark = {
  about: 'raw counters of 10,000 models (28 series each) to readings: its time, and the memory between ticks',
  run: async progress => [await time(progress), await memory(progress)],
};

const timeRounds = 15;
const warmupTicks = 3;
const memoryRounds = 2;

function time(progress: (line: string) => void): Promise<Result> {
  const fleet = newFleet();
  const counters = newCounters(fleet);
  const random = seeded('read');
  const reading = newReading(fleet);
  for (let i = 0; i < warmupTicks; i++) reading(scrape(random, counters));
  let samples: CounterSample[] = [];
  return sideBySide({
    name: 'read',
    unit: 'ms/tick',
    rounds: timeRounds,
    ours() {
      const begun = performance.now();
      reading(samples);
      return performance.now() - begun;
    },
    beforeRound() {
      samples = scrape(random, counters);
    },
    onRound: round => round % 5 === 0 && progress(`read: ${round} of ${timeRounds} ticks`),
  });
}

function memory(progress: (line: string) => void): Promise<Result> {
  return sideBySide({
    name: 'read_memory',
    unit: 'bytes/model',
    rounds: memoryRounds,
    ours: () => measuredInChild(fileURLToPath(new URL('reading-memory.ts', import.meta.url)), []),
    onRound: round => progress(`read_memory: ${round} of ${memoryRounds} rounds`),
  });
}
