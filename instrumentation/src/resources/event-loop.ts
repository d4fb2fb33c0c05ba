import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Recorder } from '../record/recorder.ts';

export interface EventLoopMeasurement {
  /** Brings the gauges up to date: they describe the time since the last update. */
  update(): void;
  stop(): void;
}

/** Two Prometheus servers that scrape in turns share a reading, rather than each leave the other a sliver of time. */
const shortestWindowMs = 1_000;

/** How busy and how late the event loop is, by the names and in the way of the conventions for Node.js. */
export function measureEventLoop(recorder: Recorder): EventLoopMeasurement {
  const utilization = recorder.gauge('eventLoopUtilization', {});
  const figures = [
    { gauge: recorder.gauge('eventLoopDelayMin', {}), read: () => delay.min },
    { gauge: recorder.gauge('eventLoopDelayMax', {}), read: () => delay.max },
    { gauge: recorder.gauge('eventLoopDelayMean', {}), read: () => delay.mean },
    { gauge: recorder.gauge('eventLoopDelayStddev', {}), read: () => delay.stddev },
    { gauge: recorder.gauge('eventLoopDelayP50', {}), read: () => delay.percentile(50) },
    { gauge: recorder.gauge('eventLoopDelayP90', {}), read: () => delay.percentile(90) },
    { gauge: recorder.gauge('eventLoopDelayP99', {}), read: () => delay.percentile(99) },
  ];
  const delay = monitorEventLoopDelay();
  delay.enable();
  let opened = performance.eventLoopUtilization();
  let openedAtMs = Number.NEGATIVE_INFINITY;
  for (const { gauge } of figures) gauge.set(Number.NaN);

  return {
    update() {
      const now = performance.now();
      if (now - openedAtMs < shortestWindowMs || delay.count === 0) return;
      const current = performance.eventLoopUtilization();
      utilization.set(performance.eventLoopUtilization(current, opened).utilization);
      for (const { gauge, read } of figures) gauge.set(read() / nanosecondsPerSecond);
      delay.reset();
      opened = current;
      openedAtMs = now;
    },
    stop: () => void delay.disable(),
  };
}

const nanosecondsPerSecond = 1e9;
