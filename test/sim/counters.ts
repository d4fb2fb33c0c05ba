import { type Policy, profiles } from '@relaycore/rules';
import { type CounterMemory, type CounterSample, increments } from '../../controller/src/read/increments.ts';
import { readingsOf } from '../../controller/src/read/readings.ts';
import type { SignalReadings } from '../../controller/src/types.ts';
import { type ConditionsSource, type EdgesMs, scoreSteps } from './conditions.ts';
import { delayed } from './direct.ts';
import { binomial, poisson, type Random } from './random.ts';
import { type Driven, drawOutcomes, noOutcomes, type Outcomes } from './requests.ts';
import type { Scenario, Scrape } from './scenario.ts';

/**
 * The long way from requests to readings: counters in every replica, scrapes of them that come late, fail or stop,
 * restarts, and the controller's own `increments` and `readingsOf` over what was scraped.
 */
export interface CountersOptions {
  readonly scenario: Scenario;
  readonly policy: Policy;
  readonly model: string;
  readonly driven: Driven;
  readonly edges: EdgesMs;
  readonly epochMs: number;
}

export interface CountersSource {
  /** One tick with that mean number of requests over all replicas. */
  tick(fromMs: number, toMs: number, meanRequests: number, conditions: ConditionsSource): Outcomes;
  readings(toMs: number): SignalReadings;
}

interface Replica {
  readonly number: number;
  readonly series: readonly Series[];
  /** In the order of `series`. */
  readonly values: Float64Array;
  /** When scores come later than their requests. */
  readonly labels?: LabelQueue;
  startedMs: number;
  scrapes: number;
  nextScrapeMs: number;
  nextResetMs: number;
  /** The last scrape that was tried, and what it brought. */
  scrapedMs: number;
  seen?: { readonly values: Float64Array; readonly startedMs: number };
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
  const { scenario, policy, model, driven, epochMs } = options;
  const scrape = scenario.scrape ?? { intervalMs: scenario.tickMs, jitterMs: 0, missed: 0, gaps: [] };
  const replicas = Array.from({ length: scenario.replicas }, (_, i) => newReplica(i + 1, options, scrape));
  const drawn = noOutcomes();
  let memory: CounterMemory | undefined;

  return {
    tick(fromMs, toMs, meanRequests, conditions) {
      const sum = noOutcomes();
      for (const replica of replicas)
        run(replica, fromMs, toMs, meanRequests / replicas.length, conditions, sum);
      return sum;
    },
    readings(toMs) {
      const fresh = replicas.filter(({ scrapedMs }) => toMs - scrapedMs <= policy.detection.staleMs);
      const started = new Map(
        fresh.map(({ number, seen }) => [String(number), seen && epochMs + seen.startedMs]),
      );
      const step = increments(memory, fresh.flatMap(samplesOf), {
        source: 'simulated',
        at: epochMs + toMs,
        maxGapMs: policy.detection.maxGapMs,
        startedAt: ({ instance }) => started.get(instance!),
      });
      memory = step.memory;
      const reason = fresh.length === 0 ? 'no target was scraped lately' : 'no series at the last scrape';
      return readingsOf(policy, step.increments, () => reason).get(model)!;
    },
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
    replica.scrapedMs = atMs;
    if (binomial(random, 1, scrape.missed) === 1) delete replica.seen;
    else replica.seen = { values: replica.values.slice(), startedMs: replica.startedMs };
  }
}

/** The replicas are scraped one after the other within an interval, as Prometheus does. */
function scrapeTime(number: number, count: number, replicas: number, scrape: Scrape, random: Random): number {
  const regular = scrape.intervalMs * (count + (number - 1) / replicas);
  return scrape.jitterMs === 0 ? regular : regular + scrape.jitterMs * random();
}

function newReplica(
  number: number,
  { scenario, model, driven, edges }: CountersOptions,
  scrape: Scrape,
): Replica {
  const series = seriesOf(model, String(number), driven, edges);
  const { resets } = scenario;
  const delayTicks = Math.round(scenario.labelDelayMs / scenario.tickMs);
  const resetting = resets && (resets.replica === undefined || resets.replica === number);
  return {
    number,
    series,
    values: new Float64Array(series.length),
    ...(delayTicks > 0 && {
      labels: { collected: new Int32Array(scoreSteps + 1), next: delayed(delayTicks - 1) },
    }),
    startedMs: Number.NEGATIVE_INFINITY,
    scrapes: 0,
    nextScrapeMs: (scrape.intervalMs * (number - 1)) / scenario.replicas,
    nextResetMs: resetting ? resets.everyMs : Number.POSITIVE_INFINITY,
    scrapedMs: Number.NEGATIVE_INFINITY,
  };
}

function samplesOf({ series, seen }: Replica): CounterSample[] {
  return seen ? series.map(({ labels }, index) => ({ labels, value: seen.values[index]! })) : [];
}

function addTo(sum: Outcomes, part: Outcomes): void {
  sum.requests += part.requests;
  sum.failed += part.failed;
  sum.slowWarning += part.slowWarning;
  sum.slowCritical += part.slowCritical;
  for (const [i, count] of part.scores.entries()) sum.scores[i]! += count;
}

function seriesOf(model: string, instance: string, driven: Driven, edges: EdgesMs): Series[] {
  const { modelLabel, success, latency, scores } = profiles.neuroweaver!;
  const labels = (name: string, more: Record<string, string>) => ({
    __name__: name,
    [modelLabel]: model,
    instance,
    job: 'simulated',
    ...more,
  });
  const slower: [string, (outcomes: Outcomes) => number][] = [
    ['+Inf', () => 0],
    [String(edges.warning / 1000), ({ slowWarning }) => slowWarning],
    [String(edges.critical / 1000), ({ slowCritical }) => slowCritical],
  ];
  const latencyName = `${latency!.histogram}_bucket`;
  const scoreName = `${scores!.histogram}_bucket`;
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
          labels: labels(scoreName, { le: String(edge / scoreSteps) }),
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
