import { setTimeout } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { sampleValue } from '../../test/page.ts';
import { startRecording } from '../../test/recording.ts';
import { measureEventLoop } from './event-loop.ts';
import { measureProcess } from './process.ts';

test('memory and processor time are those of the process', () => {
  const { recorder, page } = startRecording();
  recorder.beforeReading(measureProcess(recorder));
  const first = page();
  expect(sampleValue(first, 'process_memory_usage')).toBeGreaterThan(10 * 2 ** 20);
  const used = sampleValue(first, 'process_cpu_time_total', { cpu_mode: 'user' });
  burn(20);
  const now = sampleValue(page(), 'process_cpu_time_total', { cpu_mode: 'user' });
  expect(now).toBeGreaterThan(used);
  expect(now).toBeLessThanOrEqual(process.cpuUsage().user / 1e6);
});

test('a blocked event loop shows in its delay', async () => {
  const { recorder, page } = startRecording();
  const eventLoop = measureEventLoop(recorder);
  recorder.beforeReading(eventLoop.update);
  const largest = () => sampleValue(page(), 'nodejs_eventloop_delay_max');
  await vi.waitFor(() => expect(largest()).toBeGreaterThan(0), { timeout: 5_000 });
  // The monitor measures between two of its own timers, so one of them has to fire first.
  await setTimeout(50);
  burn(200);
  await vi.waitFor(() => expect(largest()).toBeGreaterThan(0.15), { timeout: 5_000 });
  const blocked = page();
  expect(sampleValue(blocked, 'nodejs_eventloop_delay_p99')).toBeLessThanOrEqual(largest());
  const utilization = sampleValue(blocked, 'nodejs_eventloop_utilization');
  expect(utilization).toBeGreaterThan(0);
  expect(utilization).toBeLessThanOrEqual(1);
  eventLoop.stop();
});

function burn(forMs: number): void {
  const until = performance.now() + forMs;
  while (performance.now() < until);
}
