import type { CounterSample } from '../../controller/src/read/increments.ts';
import { readTick, type TickMemory } from '../../controller/src/read/tick.ts';
import { type Fleet, tickMs } from './fleet.ts';

/** The controller's own reading of one tick, all that follows the answers of Prometheus. */
export function newReading({ policy }: Fleet) {
  let memory: TickMemory | undefined;
  let at = Date.UTC(2026, 0, 1);
  return (counters: readonly CounterSample[]) => {
    at += tickMs;
    const targets = targetsOf(counters);
    const read = readTick(policy, memory, 'prometheus', {
      at,
      scrapedAt: targets.map(labels => ({ labels, value: at / 1000 })),
      startedAt: targets.map(labels => ({ labels, value: 0 })),
      counters,
      gauges: new Map(),
      failures: new Map(),
    });
    memory = read.memory;
    return read.models;
  };
}

function targetsOf(counters: readonly CounterSample[]): readonly CounterSample['labels'][] {
  return [...new Map(counters.map(({ labels }) => [labels.instance, labels])).values()];
}
