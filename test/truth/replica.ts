import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { metrics, prometheusName } from '@neuroweaver/instrumentation/metrics';
import type { Random } from '../sim/random.ts';

/*
 * A replica of a model server whose life is made up at its scrapes: between two of them it serves requests, or
 * restarts, or both, by chance from a seed. It keeps what every page said, so that a test can say what was to be counted.
 */

/** Counts by series: an outcome, or `score` and an edge. */
export type Counts = Readonly<Record<string, number>>;

export interface Page {
  /** Unique over all replicas; Prometheus stores it beside the counters. */
  readonly serial: number;
  readonly replica: string;
  /** Counts the restarts of this replica. */
  readonly process: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Every series that the page showed. */
  readonly counts: Counts;
}

export interface Replica {
  /** `host:port`. */
  readonly address: string;
  /** Scrapes so far, also those that failed. */
  scrapes(): number;
  readonly pages: ReadonlyMap<number, Page>;
  /** Requests served so far, also those that no scrape saw. */
  readonly served: Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

export interface Life {
  readonly random: Random;
  /** Share of scrapes that fail alone. */
  readonly missed: number;
  /** Share of scrapes with a restart since the last. */
  readonly restarts: number;
  /** From one of its scrapes to before the other the page answers 500. */
  readonly gap?: { readonly from: number; readonly until: number };
  /** Errors are shown from this scrape on: a series that is born late. */
  readonly errorsFrom?: number;
}

/** Name of the gauge that shows a page's serial. */
export const serialName = 'test_page_serial';
const outcomes = ['ok', 'error', 'timeout', 'cancelled'] as const;
export const scoreEdges = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] as const;
const allSeries = [...outcomes, ...scoreEdges.map(edge => `score ${edge}`)];

const slowestAnswerMs = 100;
/** Even a process that dies at once takes so long to start again. */
const shortestLifeMs = 400;
let lastSerial = 0;

export async function startReplica(life: Life): Promise<Replica> {
  const { random, gap, errorsFrom = 0 } = life;
  const pages = new Map<number, Page>();
  const served = noCounts();
  let scrapes = 0;
  let process = 0;
  let lastScrapeAt = Date.now() - 60_000;
  let startedAt = lastScrapeAt;
  let counts = noCounts();
  serve(200);

  function serve(atMost: number): void {
    for (let left = Math.floor(random() * atMost); left > 0; left--) {
      count(drawOutcome(scrapes >= errorsFrom));
      count(`score ${scoreEdges[Math.floor(random() * scoreEdges.length)]}`);
    }
  }

  function drawOutcome(errors: boolean): (typeof outcomes)[number] {
    const drawn = outcomes[Math.floor(random() ** 3 * outcomes.length)]!;
    return drawn === 'error' && !errors ? 'ok' : drawn;
  }

  function count(series: string): void {
    counts[series]! += 1;
    served[series]! += 1;
  }

  /** Somewhere between the last scrape and this one. */
  function restart(): void {
    counts = noCounts();
    process++;
    const earliest = Math.max(lastScrapeAt, startedAt + shortestLifeMs / 2);
    startedAt = earliest + random() * (Date.now() - earliest);
  }

  function live(): void {
    serve(20);
    if (random() < life.restarts && Date.now() - startedAt > shortestLifeMs) {
      restart();
      serve(60);
    }
    lastScrapeAt = Date.now();
  }

  function isLost(): boolean {
    return (gap && scrapes >= gap.from && scrapes < gap.until) || random() < life.missed;
  }

  function answer(response: ServerResponse, address: string): void {
    const { error, ...others } = counts;
    const shown = scrapes >= errorsFrom ? { error: error!, ...others } : others;
    const page = { serial: ++lastSerial, replica: address, process, startedAt, counts: shown };
    pages.set(page.serial, page);
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(textOf(page));
  }

  const server = createServer((_, response) => {
    live();
    scrapes++;
    if (isLost()) return void response.writeHead(500).end();
    setTimeout(() => answer(response, address), random() * slowestAnswerMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    pages,
    served,
    scrapes: () => scrapes,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const noCounts = (): Record<string, number> => Object.fromEntries(allSeries.map(series => [series, 0]));

const named = 'gen_ai_request_model="spam-nb",ml_model_version="1"';

function textOf({ counts, startedAt, serial }: Page): string {
  const requests = prometheusName(metrics.requests);
  const score = prometheusName(metrics.evaluationScore);
  let upTo = 0;
  return [
    `# TYPE ${requests} counter`,
    ...outcomes
      .filter(outcome => outcome in counts)
      .map(outcome => `${requests}{${named},outcome="${outcome}"} ${counts[outcome]}`),
    `# TYPE ${score} histogram`,
    ...[...scoreEdges, Number.POSITIVE_INFINITY].map(edge => {
      upTo += counts[`score ${edge}`] ?? 0;
      const le = Number.isFinite(edge) ? edge : '+Inf';
      return `${score}_bucket{${named},evaluation_name="accuracy",source="label",le="${le}"} ${upTo}`;
    }),
    `process_start_time_seconds ${startedAt / 1000}`,
    `${serialName} ${serial}`,
    '',
  ].join('\n');
}
