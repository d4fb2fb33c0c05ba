import { attributes } from '../metrics.ts';
import type { Recorder } from '../record/recorder.ts';

/** Memory and processor time of this process. Returns what brings them up to date. */
export function measureProcess(recorder: Recorder): () => void {
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
  };
}

const microsecondsPerSecond = 1e6;
