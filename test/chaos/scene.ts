import type { Policy } from '@relaycore/rules';
import { type Random, seeded } from '../sim/random.ts';
import type { Episode, Script } from './episodes.ts';
import { policyWith, startsAt } from './stage.ts';
import { simulatedTime, type Time } from './time.ts';

/** What everybody in one play shares: the time, what is wrong at it, and a place to say what happens. */
export interface Scene {
  readonly policy: Policy;
  readonly time: Time;
  readonly counts: Map<string, number>;
  readonly account: readonly string[];
  /** Random numbers of one's own. */
  stream(name: string): Random;
  /** The episodes of a kind that are going on. */
  now<K extends Episode['kind']>(kind: K): Extract<Episode, { kind: K }>[];
  count(what: string): void;
  tell(line: () => string): void;
}

export function sceneOf({ seed, searchMode, episodes }: Script, withAccount: boolean): Scene {
  const stream = (name: string) => seeded('chaos', seed, name);
  const time = simulatedTime(startsAt, stream('order'));
  const counts = new Map<string, number>();
  const account: string[] = [];
  const byKind = Map.groupBy(episodes, ({ kind }) => kind);
  return {
    policy: policyWith(searchMode),
    ...{ time, counts, account, stream },
    now: <K extends Episode['kind']>(kind: K) =>
      (byKind.get(kind) ?? []).filter(({ at, until }) => at <= time.now() && time.now() < until) as Extract<
        Episode,
        { kind: K }
      >[],
    count: what => counts.set(what, (counts.get(what) ?? 0) + 1),
    tell(line) {
      if (withAccount) account.push(`${clockTime(time.now())}  ${line()}`);
    },
  };
}

/** `08:04:31.250` */
export const clockTime = (at: number) => new Date(at).toISOString().slice(11, 23);
