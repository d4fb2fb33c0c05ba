import type { Mode } from '@relaycore/rules';
import { exponential, type Random, seeded } from '../sim/random.ts';
import { gatewaysOf, models, type RouteName, routes, startsAt, targetsOf, troubleMs } from './stage.ts';

/** Something that goes wrong, or that a person does, for a while. A seed is a list of them. */
export type Episode = Happening & {
  /** Epoch milliseconds; all are over when the trouble is. */
  readonly at: number;
  readonly until: number;
};

type Happening =
  | { readonly kind: 'model'; readonly model: string; readonly how: ModelTrouble; readonly share: number }
  | { readonly kind: 'probes'; readonly model: string; readonly how: 'fail' | 'flap' | 'are late' }
  | { readonly kind: 'restart'; readonly model: string }
  | { readonly kind: 'prometheus'; readonly how: PrometheusTrouble; readonly query: string }
  | { readonly kind: 'unscraped'; readonly instance: string }
  | GatewayEpisode
  | DriftEpisode
  | { readonly kind: 'database'; readonly how: DatabaseTrouble; readonly share: number }
  | CrashEpisode
  | { readonly kind: 'stop' }
  | { readonly kind: 'second controller'; readonly crashes: boolean }
  | PersonEpisode;

export type ModelTrouble = 'fails' | 'is slow' | 'is wrong' | 'is dead';
export type PrometheusTrouble = 'is down' | 'warns' | 'fails one query' | 'is slow' | 'scrapes nothing';
export type DatabaseTrouble = 'is down' | 'fails before' | 'fails after' | 'is slow';
export type GatewayTrouble =
  | 'is unreachable'
  | 'hangs'
  | 'answers 500, not applied'
  | 'answers 500, though applied'
  | 'answers 200, though dropped'
  | 'applies late'
  | 'refuses';

export interface GatewayEpisode {
  readonly kind: 'gateway';
  readonly route: RouteName;
  readonly gateway: number;
  readonly how: GatewayTrouble;
}

export interface DriftEpisode {
  readonly kind: 'drift';
  readonly route: RouteName;
  readonly gateway: number;
  readonly how: 'is changed by hand' | 'forgets';
  readonly to: string;
}

export interface CrashEpisode {
  readonly kind: 'crash';
  /** At the so many-th call to anything outside from then on. */
  readonly calls: number;
  /** Whether that call still leaves. */
  readonly isSent: boolean;
}

export type Deed =
  | 'switch'
  | 'pin'
  | 'unpin'
  | 'freeze'
  | 'unfreeze'
  | 'freeze all'
  | 'unfreeze all'
  | 'approve'
  | 'reject';

export interface PersonEpisode {
  readonly kind: 'person';
  readonly does: Deed;
  readonly route: RouteName;
  readonly target: string;
  readonly force: boolean;
  /** Who got no answer asks again, with the same key. */
  readonly key: string;
}

/** What one seed plays. */
export interface Script {
  readonly seed: number;
  readonly searchMode: Mode;
  readonly episodes: readonly Episode[];
}

/** How many of a kind there are where there are any, and how many seconds they last on average. */
const kinds: Readonly<Record<Happening['kind'], readonly [count: number, meanSeconds: number]>> = {
  model: [4, 120],
  probes: [2, 45],
  restart: [1, 0],
  prometheus: [2, 25],
  unscraped: [1, 40],
  gateway: [5, 40],
  drift: [2, 0],
  database: [3, 20],
  crash: [3, 25],
  stop: [1, 15],
  'second controller': [1, 90],
  person: [6, 60],
};

export function scriptOf(seed: number): Script {
  const random = seeded('chaos', seed, 'script');
  const mode = random();
  const searchMode = mode < 0.7 ? 'approve' : mode < 0.85 ? 'advise' : 'observe';
  const episodes = Object.entries(kinds).flatMap(([kind, [count, meanSeconds]]) => {
    // Not everything at once in every seed: some faults hide others. Without bad models nothing would move at all.
    const present = kind === 'model' || random() < 0.7;
    const many = present ? 1 + Math.floor(random() * 2 * count) : 0;
    return Array.from({ length: many }, () =>
      episodeOf(kind as Happening['kind'], meanSeconds * 1000, random),
    );
  });
  return { seed, searchMode, episodes: episodes.toSorted((one, other) => one.at - other.at) };
}

/** Before the first one the models have a while to show that they are healthy. */
const quietMs = 60_000;

function episodeOf(kind: Happening['kind'], meanMs: number, random: Random): Episode {
  const from = startsAt + quietMs;
  const at = Math.round(from + random() * (troubleMs - quietMs));
  const until = Math.min(at + Math.round(exponential(random, meanMs)), startsAt + troubleMs);
  return { ...happening(kind, random), at, until };
}

function happening(kind: Happening['kind'], random: Random): Happening {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const route = pick(routes);
  const gateway = Math.floor(random() * gatewaysOf[route]);
  const target = pick(targetsOf[route]);
  // Primaries carry the traffic, so trouble with them shows.
  const model = random() < 0.5 ? targetsOf[route][0] : pick(models);
  const share = 0.3 + 0.7 * random();
  switch (kind) {
    case 'model':
      return { kind, model, share, how: pick(['fails', 'fails', 'is slow', 'is wrong', 'is dead']) };
    case 'probes':
      return { kind, model, how: pick(['fail', 'flap', 'are late']) };
    case 'restart':
      return { kind, model };
    case 'prometheus':
      return {
        kind,
        how: pick(['is down', 'warns', 'fails one query', 'is slow', 'scrapes nothing']),
        query: pick(['freshness', 'success', 'latency', 'accuracy', 'feedback']),
      };
    case 'unscraped':
      return { kind, instance: random() < 0.5 ? `gateway-${route}` : model };
    case 'gateway':
      return { kind, route, gateway, how: pick(gatewayTroubles) };
    case 'drift':
      return { kind, route, gateway, to: target, how: random() < 0.6 ? 'is changed by hand' : 'forgets' };
    case 'database':
      return { kind, share, how: pick(['is down', 'fails before', 'fails after', 'is slow']) };
    case 'crash':
      return { kind, calls: 1 + Math.floor(random() * 40), isSent: random() < 0.6 };
    case 'stop':
      return { kind };
    case 'second controller':
      return { kind, crashes: random() < 0.5 };
    case 'person':
      return {
        ...{ kind, route, target, does: pick(deeds), force: random() < 0.3 },
        key: `key ${Math.floor(random() * 1e9)}`,
      };
  }
}

const gatewayTroubles: readonly GatewayTrouble[] = [
  'is unreachable',
  'hangs',
  'answers 500, not applied',
  'answers 500, though applied',
  'answers 200, though dropped',
  'applies late',
  'refuses',
];

const deeds: readonly Deed[] = [
  ...(['switch', 'switch', 'pin', 'pin', 'unpin', 'freeze', 'freeze', 'unfreeze'] as const),
  ...(['freeze all', 'unfreeze all', 'approve', 'approve', 'approve', 'reject'] as const),
];

/** For people: `mail's gateway 1 answers 500, though applied`. */
export function describeEpisode(episode: Episode): string {
  switch (episode.kind) {
    case 'model':
      return `model ${episode.model} ${episode.how} (${Math.round(episode.share * 100)} %)`;
    case 'probes':
      return `probes of ${episode.model} ${episode.how}`;
    case 'restart':
      return `the server of ${episode.model} restarts: its counters begin at zero`;
    case 'prometheus':
      return `Prometheus ${episode.how}${episode.how === 'fails one query' ? ` (${episode.query})` : ''}`;
    case 'unscraped':
      return `${episode.instance} is not scraped`;
    case 'gateway':
      return `gateway ${episode.gateway} of ${episode.route} ${episode.how}`;
    case 'drift':
      return `gateway ${episode.gateway} of ${episode.route} ${episode.how}${episode.how === 'forgets' ? '' : `: all to ${episode.to}`}`;
    case 'database':
      return `the database ${episode.how}${episode.how === 'is down' ? '' : ` (${Math.round(episode.share * 100)} %)`}`;
    case 'crash':
      return `the controller is to crash ${episode.isSent ? 'after' : 'before'} its call number ${episode.calls} from now`;
    case 'stop':
      return 'the controller is stopped';
    case 'second controller':
      return 'a second controller works on the same database';
    case 'person':
      return `a person wants to ${episode.does} ${episode.route} (${episode.target}${episode.force ? ', forced' : ''})`;
  }
}
