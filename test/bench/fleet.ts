import { metrics, prometheusName } from '@neuroweaver/instrumentation/metrics';
import { loadPolicy, type Policy } from '@relaycore/rules';
import type { CounterSample } from '../../controller/src/read/increments.ts';
import type { Observation, Reading, SignalReadings } from '../../controller/src/types.ts';
import { binomial, poisson, type Random } from '../sim/random.ts';

/*
 * What the benchmarks are fed: a fleet in which every model serves ten requests a second and one in a hundred models
 * is in trouble. Each request is scored.
 */

const fleetSize = 10_000;
export const tickMs = 5000;
const requestsPerTick = 50;
const scoreSteps = 10;

export interface Fleet {
  /** Names every model, as that of a known fleet does. */
  readonly policy: Policy;
  readonly models: readonly string[];
}

export function newFleet(size = fleetSize): Fleet {
  const models = Array.from({ length: size }, (_, i) => `model-${i}`);
  const named = models.map(model => `  ${model}: {}`).join('\n');
  const loaded = loadPolicy(`detection: { tick_seconds: ${tickMs / 1000} }\nmodels:\n${named}\n`);
  if (loaded.kind === 'refused') throw new Error(`the fleet's policy: ${JSON.stringify(loaded.problems)}`);
  return { policy: loaded.policy, models };
}

/** What one tick says about every model, in memory of its own as after a real read. */
export function drawReadings(random: Random, { models }: Fleet): ReadonlyMap<string, SignalReadings> {
  return new Map(models.map((model, i) => [model, signalReadings(random, i % 100 === 0 ? 0.2 : 0.01)]));
}

function signalReadings(random: Random, failing: number): SignalReadings {
  const requests = poisson(random, requestsPerTick);
  const failed = binomial(random, requests, failing);
  const slow = binomial(random, requests, 0.03);
  const verySlow = binomial(random, slow, 0.1);
  const success = twoSided(requests, failed);
  const scores = drawScores(random, requests);
  return {
    success: counts(success, success),
    latency: counts(twoSided(requests, slow), twoSided(requests, verySlow)),
    accuracy: counts(scores, scores),
    feedback: unrated,
  };
}

const unrated: Reading = { kind: 'absent', reason: 'nobody rates it' };

const counts = (warning: readonly Observation[], critical: readonly Observation[]): Reading => ({
  kind: 'counts',
  vantage: 'server',
  levels: { warning, critical },
});

const twoSided = (requests: number, bad: number): readonly Observation[] =>
  [
    { badness: 0, count: requests - bad },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);

/** Scores around 0.9, in tenths. */
function drawScores(random: Random, requests: number): readonly Observation[] {
  const observations: Observation[] = [];
  let left = requests;
  for (let step = scoreSteps; step >= 0 && left > 0; step--) {
    const count = step === 0 ? left : binomial(random, left, 0.4);
    left -= count;
    if (count > 0) observations.push({ badness: 1 - step / scoreSteps, count });
  }
  return observations;
}

/** One raw counter, and what it grows by in a tick on average. */
interface Series {
  readonly labels: CounterSample['labels'];
  readonly mean: number;
  value: number;
}

/** Every raw counter that the queries return for the fleet, at a model server and at a gateway. */
export function newCounters({ models }: Fleet): Series[] {
  return models.flatMap((model, i) => {
    const server = { instance: `10.0.${i >> 8}.${i & 255}:8080`, job: 'models' };
    const gateway = { instance: '10.1.0.1:8080', job: 'gateways', route: 'chat' };
    const named = { gen_ai_operation_name: 'chat', gen_ai_request_model: model, ml_model_version: '1' };
    const series = (
      metric: Parameters<typeof prometheusName>[0],
      suffix: string,
      more: object,
      mean: number,
    ) => ({
      labels: { __name__: `${prometheusName(metric)}${suffix}`, ...named, ...more },
      mean,
      value: 0,
    });
    return [
      ...outcomes.map(([outcome, mean]) => series(metrics.requests, '', { ...server, outcome }, mean)),
      ...edges.map(([le, mean]) => series(metrics.requestDuration, '_bucket', { ...server, le }, mean)),
      ...scoreEdges.map(([le, mean]) =>
        series(
          metrics.evaluationScore,
          '_bucket',
          { ...server, evaluation_name: 'accuracy', source: 'label', le },
          mean,
        ),
      ),
      ...[...outcomes, ['refused', 0] as const].map(([outcome, mean]) =>
        series(metrics.gatewayAttempts, '', { ...gateway, outcome, retried: 'false' }, mean),
      ),
      ...edges.map(([le, mean]) => series(metrics.gatewayDuration, '_bucket', { ...gateway, le }, mean)),
    ];
  });
}

const outcomes = [
  ['ok', 49],
  ['error', 0.4],
  ['timeout', 0.1],
  ['cancelled', 0.5],
] as const;
const edges = [
  ['2', 48],
  ['5', 49],
  ['+Inf', 50],
] as const;
const scoreEdges = [
  ...Array.from({ length: scoreSteps + 1 }, (_, i) => [String(i / scoreSteps), 5 * i] as const),
  ['+Inf', 50] as const,
];

/** The next sight of every counter; labels are made anew, as parsing an answer makes them. */
export function scrape(random: Random, counters: readonly Series[]): CounterSample[] {
  return counters.map(series => {
    series.value += poisson(random, series.mean);
    return { labels: { ...series.labels }, value: series.value };
  });
}
