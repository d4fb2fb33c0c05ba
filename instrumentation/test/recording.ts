import { emptyResource } from '@opentelemetry/resources';
import { createBytes, writtenBytes } from '../src/page/bytes.ts';
import { type Format, prometheusText } from '../src/page/format.ts';
import { createPageWriter } from '../src/page/writer.ts';
import { createStore, type Store } from '../src/record/store.ts';
import { createRejections, type Rejections } from '../src/rejections.ts';
import { sampleValue } from './page.ts';

/** A store with its page, without a server. */
export interface Recording {
  readonly recorder: Store;
  readonly rejections: Rejections;
  page(format?: Format): string;
  rejected(reason: string): number;
}

export function startRecording(maximumSeries = 20_000): Recording {
  const recorder = createStore({ latencyThresholdsSeconds: [2, 5], maximumSeries });
  const rejections = createRejections(recorder);
  const writer = createPageWriter(recorder, rejections);
  const nothingElse = { resource: emptyResource(), scopeMetrics: [] };
  const page = (format = prometheusText) => {
    const bytes = createBytes();
    for (const _ of writer.write(bytes, nothingElse, format));
    return writtenBytes(bytes).toString();
  };
  return {
    recorder,
    rejections,
    page,
    rejected: reason => sampleValue(page(), 'ml_telemetry_rejected_total', { reason }),
  };
}
