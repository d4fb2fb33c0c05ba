import { attributes } from '../metrics.ts';
import type { Recorder } from '../record/recorder.ts';

/** Memory, processor time and start of this process. Returns what brings them up to date. */
export function measureProcess(recorder: Recorder): () => void {
  const start = recorder.gauge('processStartTime', {});
  const memory = recorder.gauge('processMemory', {});
  const user = recorder.counter('processCpu', { [attributes.cpuMode]: 'user' });
  const system = recorder.counter('processCpu', { [attributes.cpuMode]: 'system' });
  let counted = { user: 0, system: 0 };
  return () => {
    const used = process.cpuUsage();
    user.add((used.user - counted.user) / microsecondsPerSecond);
    system.add((used.system - counted.system) / microsecondsPerSecond);
    counted = used;
    memory.set(process.memoryUsage.rss());
    start.set(startSeconds);
  };
}

const microsecondsPerSecond = 1e6;

/** Taken once, so that a corrected system clock does not look like a new process. */
const startSeconds = performance.timeOrigin / 1000;
