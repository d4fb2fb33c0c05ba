import { fileURLToPath } from 'node:url';
import { seeded } from '../sim/random.ts';
import type { Benchmark } from './benchmarks.ts';
import { measuredInChild } from './child.ts';
import { type DetectorName, detectors, passSixHours, type Tick } from './detectors.ts';
import { drawReadings, newFleet, tickMs } from './fleet.ts';
import { type Result, sideBySide } from './side-by-side.ts';

export const assess: Benchmark = {
  about:
    'one tick of the detector over 10,000 models of three signals: its time, and the memory between ticks',
  run: async progress => [await time(progress), await memory(progress)],
};

/** More than a minute of ticks, so that closing a minute's bucket is among them. */
const timeRounds = 30;
const memoryRounds = 3;

function time(progress: (line: string) => void): Promise<Result> {
  progress('assess: six hours of traffic');
  const fleet = newFleet();
  const [ours, naive] = [detectors.ours(fleet), detectors.naive(fleet)];
  const random = seeded('time');
  let at = passSixHours(fleet, [ours, naive], 'six hours');
  let readings = drawReadings(random, fleet);
  const timed = (tick: Tick) => () => {
    const begun = performance.now();
    tick(readings, at);
    return performance.now() - begun;
  };
  return sideBySide({
    name: 'assess',
    unit: 'ms/tick',
    rounds: timeRounds,
    ours: timed(ours),
    peers: { naive: timed(naive) },
    beforeRound() {
      at += tickMs;
      readings = drawReadings(random, fleet);
    },
    onRound: round => round % 10 === 0 && progress(`assess: ${round} of ${timeRounds} ticks`),
  });
}

function memory(progress: (line: string) => void): Promise<Result> {
  const bytesOf = (name: DetectorName) => () =>
    measuredInChild(fileURLToPath(new URL('detector-memory.ts', import.meta.url)), [name]);
  return sideBySide({
    name: 'assess_memory',
    unit: 'bytes/model',
    rounds: memoryRounds,
    ours: bytesOf('ours'),
    peers: { naive: bytesOf('naive') },
    onRound: round => progress(`assess_memory: ${round} of ${memoryRounds} rounds`),
  });
}
