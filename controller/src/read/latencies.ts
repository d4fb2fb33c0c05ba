import { meanLatencyQuery } from '@relaycore/rules';
import type { MeanLatencies } from '../types.ts';
import type { modelIds } from './readings.ts';
import type { RawTick } from './tick.ts';

/** What was asked for beside the resources; undefined where no route is balanced by latency. */
export function meanLatencies(
  { gauges, failures }: Pick<RawTick, 'gauges' | 'failures'>,
  idOf: ReturnType<typeof modelIds>,
): MeanLatencies | undefined {
  const samples = gauges.get(meanLatencyQuery);
  if (!samples) return undefined;
  const seconds = new Map<string, number>();
  for (const { labels, value } of samples) {
    const { model: modelName = '', version } = labels;
    const id = idOf({ modelName, ...(version && { version }) });
    // A histogram without requests divides nothing by nothing.
    if (id !== undefined && Number.isFinite(value) && value > 0) seconds.set(id, value);
  }
  const problem = failures.get(meanLatencyQuery);
  return { seconds, ...(problem !== undefined && { problem }) };
}
