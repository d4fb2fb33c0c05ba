import { fileURLToPath } from 'node:url';
import type { Benchmark } from './benchmarks.ts';
import { measuredInChild } from './child.ts';
import { pages } from './pages.ts';
import { processorMs } from './processor-time.ts';
import { type Result, sideBySide } from './side-by-side.ts';

export const instrumentation: Benchmark = {
  about:
    'one measurement, its memory and one request against the OpenTelemetry SDK and prom-client; scrapes of 1,000 and 10,000 label sets',
  run: async progress => [
    await recording('record', 'ns', progress),
    await recording('record_bytes', 'bytes', progress),
    await recording('request', 'ns', progress),
    await scrape(progress),
    await block(progress),
  ],
};

const recordingRounds = 5;
/** In MiB: all that a peer allocates while it is measured stays in it. */
const youngGeneration = ['--min-semi-space-size=1024', '--max-semi-space-size=1024'];

function recording(what: string, unit: string, progress: (line: string) => void): Promise<Result> {
  const script = fileURLToPath(new URL('recording.ts', import.meta.url));
  const of = (name: string) => () => measuredInChild(script, [what, name], youngGeneration);
  return sideBySide({
    name: `instrumentation_${what}`,
    unit,
    rounds: recordingRounds,
    ours: of('ours'),
    peers: { 'sdk-metrics': of('sdk-metrics'), 'prom-client': of('prom-client') },
    onRound: round => progress(`${what}: ${round} of ${recordingRounds} rounds`),
  });
}

const scrapeLabelSets = 1_000;
const scrapeRounds = 21;

function scrape(progress: (line: string) => void): Promise<Result> {
  const of = (name: keyof typeof pages) => {
    const page = pages[name](scrapeLabelSets);
    return async () => {
      const begunMs = processorMs();
      await page.render();
      return processorMs() - begunMs;
    };
  };
  return sideBySide({
    name: 'instrumentation_scrape',
    unit: 'ms',
    rounds: scrapeRounds,
    ours: of('ours'),
    peers: { 'prom-client': of('prom-client'), 'exporter-prometheus': of('exporter-prometheus') },
    onRound: round => round % 7 === 0 && progress(`scrape: ${round} of ${scrapeRounds} pages`),
  });
}

const blockRounds = 5;

function block(progress: (line: string) => void): Promise<Result> {
  const script = fileURLToPath(new URL('scraping.ts', import.meta.url));
  const of = (name: keyof typeof pages) => () => measuredInChild(script, [name]);
  return sideBySide({
    name: 'instrumentation_scrape_block',
    unit: 'ms',
    rounds: blockRounds,
    ours: of('ours'),
    peers: { 'prom-client': of('prom-client'), 'exporter-prometheus': of('exporter-prometheus') },
    onRound: round => progress(`scrape_block: ${round} of ${blockRounds} rounds`),
  });
}
