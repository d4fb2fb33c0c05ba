import { allTo } from '../../controller/src/decide/weights.ts';
import type { Weights } from '../../controller/src/types.ts';
import { type FakeDatabase, fakeDatabase } from './database.ts';
import type { DriftEpisode } from './episodes.ts';
import { type FakeGateway, fakeGateway } from './gateway.ts';
import type { Watch } from './invariants.ts';
import { type FakePrometheus, fakePrometheus } from './prometheus.ts';
import type { Scene } from './scene.ts';
import {
  gatewaysOf,
  models,
  probeEveryMs,
  type RouteName,
  routes,
  startsAt,
  targetsOf,
  tickMs,
} from './stage.ts';
import { type Traffic, traffic } from './traffic.ts';

/** Everything around the controller, with what is wrong with it. */
export interface Outside {
  readonly gateways: ReadonlyMap<RouteName, readonly FakeGateway[]>;
  readonly prometheus: FakePrometheus;
  readonly database: FakeDatabase;
  readonly truth: ModelTruth;
  /** Begins to send requests, and to scrape what they leave behind. */
  begin(): void;
  restart(model: string): void;
  drift(episode: DriftEpisode): void;
}

export interface ModelTruth {
  /** When each model last was bad, or looked so. */
  readonly lastBadAt: Map<string, number>;
  /** Since when its requests fail or are slow without a break, which every way back asks about. */
  readonly badSince: Map<string, number>;
  probeFails(model: string): boolean;
}

const longAgoMs = 86_400_000;

export function outsideOf(scene: Scene, guard: Watch): Outside {
  const { time, now } = scene;
  const streams = traffic(startsAt - longAgoMs, scene.stream('traffic'));
  const gateways = new Map(routes.map(route => [route, gatewaysOfRoute(scene, guard, route)]));
  const faults = (query: string) =>
    now('prometheus')
      .filter(({ how, query: failing }) => how !== 'fails one query' || failing === query)
      .map(({ how }) => how);
  const prometheus = fakePrometheus(streams.instances, faults, scene.stream('prometheus'));
  const truth = truthOf(scene);

  function tick(): void {
    const { troubleOf } = truth;
    streams.flow(tickMs, route => meanWeights(route, gateways.get(route)!), troubleOf);
    truth.note();
    const nothing = now('prometheus').some(({ how }) => how === 'scrapes nothing');
    const unscraped = new Set(now('unscraped').map(({ instance }) => instance));
    prometheus.scrape(time.now(), ({ name, model }) => {
      if (nothing || unscraped.has(name)) return 'not scraped';
      const isDead = model !== undefined && troubleOf(model).some(({ how }) => how === 'is dead');
      return isDead ? 'down' : 'up';
    });
    for (const [route, list] of gateways)
      for (const { name, weights } of list) guard.serves(name, route, weights());
    time.after(tickMs, tick);
  }

  return {
    ...{ gateways, prometheus, truth },
    database: databaseOf(scene, guard),
    begin: tick,
    restart: model => streams.restart(model, time.now()),
    drift({ route, gateway, how, to }) {
      const drifted = gateways.get(route)![gateway]!;
      if (how === 'forgets') drifted.forget();
      else drifted.changeByHand(allTo(to, targetsOf[route]));
    },
  };
}

function truthOf({ now, time }: Scene): ModelTruth & { readonly troubleOf: TroubleOf; note(): void } {
  const lastBadAt = new Map<string, number>();
  const badSince = new Map<string, number>();
  const troubleOf: TroubleOf = model => now('model').filter(episode => episode.model === model);
  const flaps = () => Math.floor(time.now() / probeEveryMs) % 2 === 0;
  const probeFails = (model: string) =>
    troubleOf(model).some(({ how, share }) => how === 'is dead' || (how === 'fails' && share > 0.9)) ||
    now('probes').some(
      ({ model: probed, how }) => probed === model && (how === 'fail' || (how === 'flap' && flaps())),
    );
  return {
    ...{ lastBadAt, badSince, probeFails, troubleOf },
    note() {
      for (const model of models) {
        const troubles = troubleOf(model);
        if (troubles.length > 0 || probeFails(model)) lastBadAt.set(model, time.now());
        if (!troubles.some(({ how }) => how !== 'is wrong')) badSince.delete(model);
        else if (!badSince.has(model)) badSince.set(model, time.now());
      }
    },
  };
}

type TroubleOf = Parameters<Traffic['flow']>[2];

function gatewaysOfRoute(scene: Scene, guard: Watch, route: RouteName): readonly FakeGateway[] {
  const { time, now, count, tell, stream } = scene;
  return Array.from({ length: gatewaysOf[route] }, (_, index) => {
    const name = `gateway ${index} of ${route}`;
    return fakeGateway({
      ...{ name, time, targets: targetsOf[route], random: stream(name) },
      troubles: () =>
        now('gateway')
          .filter(episode => episode.route === route && episode.gateway === index)
          .map(({ how }) => how),
      onAsked: desired => guard.asked(name, route, desired),
      onTold(desired) {
        count('gateway changes');
        tell(() => `${name} now holds generation ${desired.generation}: ${JSON.stringify(desired.weights)}`);
        guard.told(name, route, desired);
      },
      onTrouble(what) {
        count(`gateway ${what}`);
        tell(() => `${name} ${what}`);
      },
    });
  });
}

function databaseOf({ stream, now, count, tell }: Scene, guard: Watch): FakeDatabase {
  return fakeDatabase({
    random: stream('database'),
    troubles: () => now('database'),
    onTrouble(what) {
      count('database faults');
      tell(() => `the database: ${what}`);
    },
    onCommit(before, after, { name }) {
      for (const { kind, route, generation, from_model, to_model, actor } of after.events.slice(
        before.events.length,
      )) {
        count(kind);
        tell(
          () =>
            `${name} commits generation ${generation} of ${route}: ${kind} from ${from_model} to ${to_model} (${actor})`,
        );
      }
      guard.committed(before, after, name);
    },
  });
}

/** What the route's callers get: as many of them from each gateway. */
function meanWeights(route: RouteName, gateways: readonly FakeGateway[]): Weights {
  const share = (model: string) =>
    gateways.reduce((sum, gateway) => sum + (gateway.weights()[model] ?? 0), 0) / gateways.length;
  return Object.fromEntries(targetsOf[route].map(model => [model, share(model)]));
}
