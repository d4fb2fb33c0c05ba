import type { Recorder } from '../record/recorder.ts';
import type { Rejections } from '../rejections.ts';
import { measureEventLoop } from './event-loop.ts';
import { measureGpus } from './gpu.ts';
import { measureProcess } from './process.ts';

/** Measures what the process uses, when somebody reads and never while a request is served. Returns how to stop. */
export function measureResources(recorder: Recorder, rejections: Rejections): () => void {
  const updateProcess = measureProcess(recorder);
  const eventLoop = measureEventLoop(recorder);
  const stopGpus = measureGpus(recorder);
  const update = () => {
    updateProcess();
    eventLoop.update();
  };
  const stopUpdates = recorder.beforeReading(rejections.contain(update, undefined));
  return () => {
    stopUpdates();
    stopGpus();
    eventLoop.stop();
  };
}
