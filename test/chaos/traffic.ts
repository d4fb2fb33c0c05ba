import { metrics, prometheusName } from '@neuroweaver/instrumentation/metrics';
import { accuracyEvaluation, profiles } from '@relaycore/rules';
import type { CounterSample } from '../../controller/src/read/increments.ts';
import type { Weights } from '../../controller/src/types.ts';
import { binomial, poisson, type Random } from '../sim/random.ts';
import type { ModelTrouble } from './episodes.ts';
import { models, type RouteName, requestsPerSecond, routes, targetsOf } from './stage.ts';

/** What goes wrong with a model now, and by how much. */
export interface Trouble {
  readonly how: ModelTrouble;
  readonly share: number;
}

/** The metrics page of one process. */
export interface Instance {
  readonly name: string;
  readonly target: CounterSample['labels'];
  /** Epoch milliseconds. */
  startedAt: number;
  readonly counters: readonly Counter[];
  /** Of a model server that is dead nothing can be scraped. */
  readonly model?: string;
}

export interface Counter {
  /** The query that returns it. */
  readonly signal: string;
  readonly labels: CounterSample['labels'];
  value: number;
}

/** Requests by what the gateways really hold, whatever anybody believes, and the counters that they leave behind. */
export interface Traffic {
  readonly instances: readonly Instance[];
  /** Plays so many milliseconds up to now. */
  flow(ms: number, weightsOf: (route: RouteName) => Weights, troubleOf: TroubleOf): void;
  /** A server begins again, at zero. */
  restart(model: string, at: number): void;
}

export type TroubleOf = (model: string) => readonly Trouble[];

export function traffic(startedAt: number, random: Random): Traffic {
  const gateways = new Map(routes.map(route => [route, gatewayOf(route, startedAt)]));
  const servers = new Map(models.map((model): [string, Server] => [model, serverOf(model, startedAt)]));
  return {
    instances: [...gateways.values(), ...servers.values()].map(({ instance }) => instance),
    flow(ms, weightsOf, troubleOf) {
      for (const route of routes) {
        const gateway = gateways.get(route)!;
        for (const [model, weight] of Object.entries(weightsOf(route))) {
          const requests = poisson(random, ((requestsPerSecond * ms) / 1000) * (weight / 10_000));
          const outcomes = outcomesOf(requests, troubleOf(model), random);
          gateway.ok.get(model)!.value += requests - outcomes.failed;
          gateway.failed.get(model)!.value += outcomes.failed;
          if (!outcomes.isDead) count(servers.get(model)!, requests, outcomes);
        }
      }
    },
    restart(model, at) {
      const { instance } = servers.get(model)!;
      instance.startedAt = at;
      for (const counter of instance.counters) counter.value = 0;
    },
  };
}

interface Outcomes {
  readonly isDead: boolean;
  readonly failed: number;
  readonly slow: number;
  readonly scores: number;
  readonly wrong: number;
}

const scoredShare = 0.3;

function outcomesOf(requests: number, troubles: readonly Trouble[], random: Random): Outcomes {
  const shareOf = (how: ModelTrouble, otherwise: number) =>
    Math.max(otherwise, ...troubles.filter(trouble => trouble.how === how).map(({ share }) => share));
  const isDead = troubles.some(({ how }) => how === 'is dead');
  const failed = isDead ? requests : binomial(random, requests, shareOf('fails', 0.005));
  const scores = binomial(random, requests - failed, scoredShare);
  return {
    isDead,
    failed,
    scores,
    slow: binomial(random, requests, shareOf('is slow', 0.005)),
    wrong: binomial(random, scores, shareOf('is wrong', 0.04)),
  };
}

interface Gateway {
  readonly instance: Instance;
  readonly ok: ReadonlyMap<string, Counter>;
  readonly failed: ReadonlyMap<string, Counter>;
}

function gatewayOf(route: RouteName, startedAt: number): Gateway {
  const target = { instance: `gateway-${route}`, job: 'gateways' };
  const attempts = (outcome: string) =>
    new Map(
      targetsOf[route].map(model => [
        model,
        counter('success', prometheusName(metrics.gatewayAttempts), {
          ...target,
          [profiles.relaykit!.modelLabel]: model,
          route,
          outcome,
        }),
      ]),
    );
  const [ok, failed] = [attempts('ok'), attempts('error')];
  const counters = [...ok.values(), ...failed.values()];
  return { instance: { name: target.instance, target, startedAt, counters }, ok, failed };
}

interface Server {
  readonly instance: Instance;
  readonly ok: Counter;
  readonly failed: Counter;
  readonly upTo2: Counter;
  readonly upTo5: Counter;
  readonly all: Counter;
  readonly wrong: Counter;
  readonly scores: Counter;
}

function serverOf(model: string, startedAt: number): Server {
  const { modelLabel, latency, scores } = profiles.neuroweaver!;
  const target = { instance: model, job: 'servers' };
  const labels = { ...target, [modelLabel]: model };
  const requests = prometheusName(metrics.requests);
  const durations = `${latency!.histogram}_bucket`;
  const evaluations = `${scores!.histogram}_bucket`;
  const accuracy = { ...labels, [scores!.nameLabel]: accuracyEvaluation, source: 'label' };
  const all = {
    ok: counter('success', requests, { ...labels, outcome: 'ok' }),
    failed: counter('success', requests, { ...labels, outcome: 'error' }),
    upTo2: counter('latency', durations, { ...labels, le: '2' }),
    upTo5: counter('latency', durations, { ...labels, le: '5' }),
    all: counter('latency', durations, { ...labels, le: '+Inf' }),
    wrong: counter('accuracy', evaluations, { ...accuracy, le: '0.0' }),
    scores: counter('accuracy', evaluations, { ...accuracy, le: '1.0' }),
  };
  return { instance: { name: model, model, target, startedAt, counters: Object.values(all) }, ...all };
}

const counter = (signal: string, name: string, labels: CounterSample['labels']): Counter => ({
  signal,
  labels: { __name__: name, ...labels },
  value: 0,
});

function count(server: Server, requests: number, { failed, slow, scores, wrong }: Outcomes): void {
  server.ok.value += requests - failed;
  server.failed.value += failed;
  server.upTo2.value += requests - slow;
  server.upTo5.value += requests - slow;
  server.all.value += requests;
  server.wrong.value += wrong;
  server.scores.value += scores;
}
