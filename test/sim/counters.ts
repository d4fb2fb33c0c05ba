import { accuracyEvaluation, profiles } from '@relaycore/rules';
import type { CounterSample } from '../../controller/src/read/increments.ts';
import type { RawTick } from '../../controller/src/read/tick.ts';
import { type ConditionsSource, type EdgesMs, scoreSteps } from './conditions.ts';
import { delayed } from './direct.ts';
import { binomial, poisson, type Random } from './random.ts';
import { type Driven, drawOutcomes, noOutcomes, type Outcomes } from './requests.ts';
import type { Scenario, Scrape } from './scenario.ts';

/**
 * The first half of the long way from requests to readings: counters in every replica of one target, restarts, and
 * scrapes that come late, fail or stop. The second half is the controller's own.
 */
export interface CountersOptions {
  readonly scenario: Scenario;
  readonly model: string;
  readonly driven: Driven;
  readonly edges: EdgesMs;
  readonly epochMs: number;
  /** Called with every scrape that was tried, in order of time within a replica. */
  readonly onScrape?: ((scraped: Scraped) => void) | undefined;
}

export interface CountersSource {
  /** One tick with that mean number of requests over all replicas. */
  tick(fromMs: number, toMs: number, meanRequests: number, conditions: ConditionsSource): Outcomes;
  /** The latest scrape of each replica. */
  scraped(): readonly Scraped[];
}

/** What one scrape of one replica brought. */
export interface Scraped {
  /** Epoch milliseconds, whole ones as Prometheus keeps them. */
  readonly at: number;
  /** The labels `job` and `instance`. */
  readonly target: CounterSample['labels'];
  /** Absent when the scrape failed. */
  readonly page?: {
    /** When the process started, epoch milliseconds. */
    readonly startedAt: number;
    readonly counters: readonly CounterSample[];
  };
}

/** What Prometheus answers then, when these are the latest scrapes. */
export function answered(at: number, latest: readonly Scraped[]): RawTick {
  return {
    at,
    scrapedAt: latest.map(({ at, target }) => ({ labels: target, value: at / 1000 })),
    startedAt: latest.flatMap(({ target, page }) =>
      page ? [{ labels: target, value: page.startedAt / 1000 }] : [],
    ),
    counters: latest.flatMap(({ page }) => page?.counters ?? []),
    gauges: new Map(),
    failures: new Map(),
  };
}

interface Replica {
  readonly number: number;
  readonly target: Scraped['target'];
  readonly series: readonly Series[];
  /** In the order of `series`. */
  readonly values: Float64Array;
  /** When scores come later than their requests. */
  readonly labels?: LabelQueue;
  startedMs: number;
  scrapes: number;
  nextScrapeMs: number;
  nextResetMs: number;
  scraped?: Scraped;
}

interface LabelQueue {
  /** Of the tick that runs. */
  readonly collected: Int32Array;
  readonly next: (scores: Int32Array) => Int32Array;
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly grow: (outcomes: Outcomes, scores: Int32Array) => number;
}

const nothing = noOutcomes();
const noScores = nothing.scores;

export function countersSource(options: CountersOptions, random: Random): CountersSource {
  const { scenario, driven, epochMs, onScrape } = options;
  const scrape = scenario.scrape ?? { intervalMs: scenario.tickMs, jitterMs: 0, missed: 0, gaps: [] };
  const replicas = Array.from({ length: scenario.replicas }, (_, i) => newReplica(i + 1, options, scrape));
  const drawn = noOutcomes();

  return {
    tick(fromMs, toMs, meanRequests, conditions) {
      const sum = noOutcomes();
      for (const replica of replicas)
        run(replica, fromMs, toMs, meanRequests / replicas.length, conditions, sum);
      return sum;
    },
    scraped: () => replicas.flatMap(({ scraped }) => scraped ?? []),
  };

  /** One replica through one tick, stretch by stretch between scrapes and restarts. */
  function run(
    replica: Replica,
    fromMs: number,
    toMs: number,
    meanRequests: number,
    conditions: ConditionsSource,
    sum: Outcomes,
  ): void {
    const now = conditions.current(replica.number);
    deliver(replica);
    for (let cursor = fromMs; ; ) {
      const until = Math.min(toMs, replica.nextScrapeMs, replica.nextResetMs);
      if (until > cursor) {
        const requests = poisson(random, (meanRequests * (until - cursor)) / (toMs - fromMs));
        drawOutcomes(random, requests, now, driven, scenario.labelsPerRequest, drawn);
        grow(replica, drawn);
        addTo(sum, drawn);
        cursor = until;
      }
      if (replica.nextResetMs <= toMs && replica.nextResetMs === until) restart(replica, until);
      else if (replica.nextScrapeMs <= toMs && replica.nextScrapeMs === until) scrapeNow(replica, until);
      else return;
    }
  }

  function grow({ series, values, labels }: Replica, outcomes: Outcomes): void {
    for (const [index, { grow }] of series.entries())
      values[index]! += grow(outcomes, labels ? noScores : outcomes.scores);
    if (labels) for (const [i, count] of outcomes.scores.entries()) labels.collected[i]! += count;
  }

  /** Scores whose label took its time arrive at the beginning of a tick. */
  function deliver({ series, values, labels }: Replica): void {
    if (!labels) return;
    const due = labels.next(labels.collected);
    labels.collected.fill(0);
    for (const [index, { grow }] of series.entries()) values[index]! += grow(nothing, due);
  }

  function restart(replica: Replica, atMs: number): void {
    replica.values.fill(0);
    replica.startedMs = atMs;
    replica.nextResetMs += scenario.resets!.everyMs;
  }

  function scrapeNow(replica: Replica, atMs: number): void {
    replica.scrapes++;
    replica.nextScrapeMs = scrapeTime(replica.number, replica.scrapes, scenario.replicas, scrape, random);
    if (scrape.gaps.some(gap => atMs >= gap.atMs && atMs < gap.atMs + gap.forMs)) return;
    const { target } = replica;
    const at = epochMs + atMs;
    const failed = binomial(random, 1, scrape.missed) === 1;
    replica.scraped = failed ? { at, target } : { at, target, page: pageOf(replica, epochMs) };
    onScrape?.(replica.scraped);
  }
}

/** The replicas are scraped one after the other within an interval, as Prometheus does. */
function scrapeTime(number: number, count: number, replicas: number, scrape: Scrape, random: Random): number {
  const regular = scrape.intervalMs * (count + (number - 1) / replicas);
  return Math.round(scrape.jitterMs === 0 ? regular : regular + scrape.jitterMs * random());
}

function newReplica(
  number: number,
  { scenario, model, driven, edges }: CountersOptions,
  scrape: Scrape,
): Replica {
  const target = { instance: `${model}-${number}`, job: 'simulated' };
  const series = seriesOf(model, target, driven, edges);
  const { resets } = scenario;
  const delayTicks = Math.round(scenario.labelDelayMs / scenario.tickMs);
  const resetting = resets && (resets.replica === undefined || resets.replica === number);
  return {
    number,
    target,
    series,
    values: new Float64Array(series.length),
    ...(delayTicks > 0 && {
      labels: { collected: new Int32Array(scoreSteps + 1), next: delayed(delayTicks - 1) },
    }),
    startedMs: -longAgoMs,
    scrapes: 0,
    nextScrapeMs: Math.round((scrape.intervalMs * (number - 1)) / scenario.replicas),
    nextResetMs: resetting ? resets.everyMs : Number.POSITIVE_INFINITY,
  };
}

/** Every process runs since long before the scenario. */
const longAgoMs = 86_400_000;

const pageOf = ({ series, values, startedMs }: Replica, epochMs: number): Scraped['page'] & object => ({
  startedAt: epochMs + startedMs,
  counters: series.map(({ labels }, index) => ({ labels, value: values[index]! })),
});

function addTo(sum: Outcomes, part: Outcomes): void {
  sum.requests += part.requests;
  sum.failed += part.failed;
  sum.slowWarning += part.slowWarning;
  sum.slowCritical += part.slowCritical;
  for (const [i, count] of part.scores.entries()) sum.scores[i]! += count;
}

function seriesOf(model: string, target: Scraped['target'], driven: Driven, edges: EdgesMs): Series[] {
  const { modelLabel, success, latency, scores } = profiles.neuroweaver!;
  const labels = (name: string, more: Record<string, string>) => ({
    __name__: name,
    [modelLabel]: model,
    ...target,
    ...more,
  });
  const slower: [string, (outcomes: Outcomes) => number][] = [
    ['+Inf', () => 0],
    [String(edges.warning / 1000), ({ slowWarning }) => slowWarning],
    [String(edges.critical / 1000), ({ slowCritical }) => slowCritical],
  ];
  const latencyName = `${latency!.histogram}_bucket`;
  const scoreName = `${scores!.histogram}_bucket`;
  const accuracy = { [scores!.nameLabel]: accuracyEvaluation, source: 'label' };
  return [
    ...(driven.success
      ? [
          {
            labels: labels(success!.counter, { [success!.outcomeLabel]: 'ok' }),
            grow: (o: Outcomes) => o.requests - o.failed,
          },
          {
            labels: labels(success!.counter, { [success!.outcomeLabel]: success!.bad[0]! }),
            grow: (o: Outcomes) => o.failed,
          },
        ]
      : []),
    ...(driven.latency
      ? [...new Map(slower)].map(([le, slow]) => ({
          labels: labels(latencyName, { le }),
          grow: (o: Outcomes) => o.requests - slow(o),
        }))
      : []),
    ...(driven.accuracy
      ? Array.from({ length: scoreSteps + 1 }, (_, edge) => ({
          labels: labels(scoreName, { ...accuracy, le: String(edge / scoreSteps) }),
          grow: (_: Outcomes, recorded: Int32Array) => sumUpTo(recorded, edge),
        }))
      : []),
  ];
}

function sumUpTo(recorded: Int32Array, edge: number): number {
  let sum = 0;
  for (let i = 0; i <= edge; i++) sum += recorded[i]!;
  return sum;
}
