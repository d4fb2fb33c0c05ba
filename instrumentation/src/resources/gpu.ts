import { diag } from '@opentelemetry/api';
import { attributes } from '../metrics.ts';
import type { Gauge, Recorder } from '../record/recorder.ts';
import { askNvidiaSmi, type GpuReading } from './nvidia-smi.ts';

export interface GpuOptions {
  /** Default: nvidia-smi from the PATH. */
  readonly program?: string;
  readonly periodMs?: number;
  readonly deadlineMs?: number;
}

/**
 * Asks nvidia-smi about the GPUs, first now and then periodically, beside the event loop. Where it is missing or finds
 * no GPU at first, nothing is measured and nobody hears of it but OpenTelemetry's diagnostics. Returns how to stop.
 */
export function measureGpus(recorder: Recorder, options: GpuOptions = {}): () => void {
  const { program = 'nvidia-smi', periodMs = 10_000, deadlineMs = 5_000 } = options;
  const setReadings = createGpuGauges(recorder);
  let worked = false;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function measure(): Promise<void> {
    try {
      setReadings(await askNvidiaSmi(program, deadlineMs));
      worked = true;
    } catch (error) {
      setReadings([]);
      if (worked) diag.warn('Asking nvidia-smi about the GPUs failed, and is tried again', error);
      else diag.info('There are no metrics of GPUs', error);
    }
    if (worked && !stopped) timer = setTimeout(measure, periodMs).unref();
  }

  void measure();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

interface GpuGauges {
  readonly utilization: Gauge;
  readonly memoryUsage: Gauge;
  readonly memoryLimit: Gauge;
}

/** A GPU that is no longer read says nothing, rather than its last figures for ever. */
function createGpuGauges(recorder: Recorder): (readings: readonly GpuReading[]) => void {
  const known = new Map<string, GpuGauges>();
  return readings => {
    for (const gauges of known.values()) setGauges(gauges, {});
    for (const reading of readings) {
      const gauges = known.get(reading.id) ?? resolveGauges(recorder, reading);
      known.set(reading.id, gauges);
      setGauges(gauges, reading);
    }
  };
}

function resolveGauges(recorder: Recorder, { id, name }: GpuReading): GpuGauges {
  const labels = { [attributes.gpuId]: id, [attributes.gpuName]: name };
  return {
    utilization: recorder.gauge('gpuUtilization', labels),
    memoryUsage: recorder.gauge('gpuMemoryUsage', labels),
    memoryLimit: recorder.gauge('gpuMemoryLimit', labels),
  };
}

function setGauges(gauges: GpuGauges, reading: Partial<GpuReading>): void {
  gauges.utilization.set(reading.utilization ?? Number.NaN);
  gauges.memoryUsage.set(reading.memoryUsedBytes ?? Number.NaN);
  gauges.memoryLimit.set(reading.memoryTotalBytes ?? Number.NaN);
}
