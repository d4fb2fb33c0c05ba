import type { GatewayDriver } from '../../controller/src/apply/driver.ts';
import type { Situation } from '../../controller/src/decide/situation.ts';
import { allTo } from '../../controller/src/decide/weights.ts';
import type { LoopParts } from '../../controller/src/loop.ts';
import type { Reader } from '../../controller/src/read/prometheus.ts';
import type { Database, Transaction } from '../../controller/src/record/database.ts';
import type { Change, Decision, Reading, SignalReadings, Weights } from '../../controller/src/types.ts';
import { isChange } from '../../controller/src/types.ts';
import type { InvariantName } from './invariants.ts';

/**
 * Bugs that somebody could write, each through a seam of the controller: what it reads, decides, records and tells. Each
 * breaks the invariant that it stands under, so the simulation has to notice.
 */
export interface Planted {
  readonly breaks: InvariantName;
  readonly bug: string;
  readonly tamper?: (parts: LoopParts) => LoopParts;
  readonly decide?: (situation: Situation, decide: (situation: Situation) => Decision) => Decision;
}

export const planted: readonly Planted[] = [
  {
    breaks: 'unknown',
    bug: 'a Prometheus that does not answer is taken for primaries that fail',
    tamper: parts => ({ ...parts, reader: takingSilenceForFailure(parts.reader) }),
  },
  {
    breaks: 'unknown',
    bug: 'a primary that is unknown is left',
    decide: (situation, decide) => {
      const decision = decide(situation);
      const { route, now } = situation;
      const [primary, backup] = route.targets;
      if (decision.reason !== 'unknown' || situation.state.phase.kind !== 'primary') return decision;
      const cause = { signal: 'success' as const, reason: decision.words };
      return changed(decision, primary, backup!, {
        weights: allTo(backup!, route.targets),
        phase: { kind: 'failed_over', to: backup!, since: now, cause },
        backoff: { level: 0 },
      });
    },
  },
  {
    breaks: 'target',
    bug: 'the last target takes over, whatever is known of it',
    decide: (situation, decide) => {
      const decision = decide(situation);
      if (!isChange(decision) || decision.kind !== 'failover') return decision;
      const to = situation.route.targets.at(-1)!;
      const { phase } = decision.next;
      if (to === decision.from || !('to' in phase)) return decision;
      return {
        ...decision,
        to,
        next: { ...decision.next, weights: allTo(to, situation.route.targets), phase: { ...phase, to } },
      };
    },
  },
  {
    breaks: 'target',
    bug: 'a probe that fails is taken for one that passes',
    tamper: parts => ({
      ...parts,
      prober: {
        ...parts.prober,
        results: () =>
          new Map(
            [...parts.prober.results()].map(([model, { at }]) => [
              model,
              { kind: 'passed', at, durationMs: 1 },
            ]),
          ),
      },
    }),
  },
  {
    breaks: 'weights',
    bug: 'nobody gets the share that the canary leaves',
    decide: (situation, decide) =>
      withWeights(decide(situation), ({ to }, weights) => ({ ...weights, [to]: 9_999 })),
  },
  {
    breaks: 'weights',
    bug: 'the target that is left is lowered, and the next one never raised',
    decide: (situation, decide) =>
      withWeights(decide(situation), (_, weights) =>
        Object.fromEntries(Object.keys(weights).map(model => [model, 0])),
      ),
  },
  {
    breaks: 'weights',
    bug: 'traffic goes to a model that is no target of the route',
    decide: (situation, decide) =>
      withWeights(decide(situation), ({ to }, { [to]: share = 0, ...rest }) => ({
        ...rest,
        [`${to}2`]: share,
      })),
  },
  {
    breaks: 'generations',
    bug: 'a change is counted twice',
    tamper: parts => ({
      ...parts,
      database: withStatements(parts.database, async (query, sql, values) => {
        const rows = await query(sql, values);
        if (!isReplace(sql) || rows.length === 0) return rows;
        return query(sql, values.with(1, Number(values[1]) + 1).with(8, values[1]));
      }),
    }),
  },
  {
    breaks: 'write-ahead',
    bug: 'the gateway is told before the change is committed',
    tamper: parts => ({
      ...parts,
      database: withStatements(parts.database, async (query, sql, values) => {
        if (isReplace(sql)) await tellEarly(parts, values);
        return query(sql, values);
      }),
    }),
  },
  {
    breaks: 'write-ahead',
    bug: 'a commit without an answer is taken for done',
    tamper: parts => ({
      ...parts,
      database: {
        ...parts.database,
        transaction: <T>(work: (transaction: Transaction) => Promise<T>) =>
          parts.database.transaction(work).catch(() => true as T),
      },
    }),
  },
  {
    breaks: 'converges',
    bug: 'what a gateway answers is believed, and never read back',
    tamper: parts => ({
      ...parts,
      drivers: withDrivers(parts, driver => ({ ...driver, verify: async () => ({ kind: 'converged' }) })),
    }),
  },
  {
    breaks: 'converges',
    bug: 'each generation is told once',
    tamper: parts => {
      const told = new Set<string>();
      return {
        ...parts,
        drivers: withDrivers(parts, driver => ({
          ...driver,
          async apply(route, desired, signal) {
            const key = `${route} ${desired.generation}`;
            if (told.has(key)) return { kind: 'unchanged' };
            told.add(key);
            return driver.apply(route, desired, signal);
          },
        })),
      };
    },
  },
  {
    breaks: 'hands',
    bug: 'pins and freezes are forgotten when it is decided',
    decide: (situation, decide) => {
      const { override: _pin, freeze: _freeze, ...state } = situation.state;
      return decide({ ...situation, state });
    },
  },
  {
    breaks: 'hands',
    bug: 'every route is in mode auto',
    tamper: parts => {
      const routes = Object.entries(parts.policy.routes).map(([name, route]) => [
        name,
        { ...route, mode: 'auto' },
      ]);
      return { ...parts, policy: { ...parts.policy, routes: Object.fromEntries(routes) } };
    },
  },
  {
    breaks: 'one event',
    bug: 'a change is not written into the history',
    tamper: parts => ({
      ...parts,
      database: withStatements(parts.database, async (query, sql, values) =>
        sql.includes('INSERT INTO relaycore.model_switch_events') ? [] : query(sql, values),
      ),
    }),
  },
  {
    breaks: 'one event',
    bug: 'a request that is sent again is done again',
    tamper: parts => ({
      ...parts,
      database: withStatements(parts.database, async (query, sql, values) =>
        sql.includes('relaycore.idempotency_keys') ? [] : query(sql, values),
      ),
    }),
  },
];

// What is decided.

const changed = ({ words }: Decision, from: string, to: string, next: Change['next']): Change => ({
  kind: 'failover',
  reason: 'degraded',
  words,
  from,
  to,
  next,
});

function withWeights(decision: Decision, change: (decision: Change, weights: Weights) => Weights): Decision {
  if (!isChange(decision)) return decision;
  return { ...decision, next: { ...decision.next, weights: change(decision, decision.next.weights) } };
}

// What is read.

function takingSilenceForFailure(reader: Reader): Reader {
  const bad = [{ badness: 1, count: 100 }];
  const failing: Reading = { kind: 'counts', vantage: 'gateway', levels: { warning: bad, critical: bad } };
  return {
    async read(policy, at) {
      const { problem, ...readings } = await reader.read(policy, at);
      if (problem === undefined) return readings;
      // Of all models at once it would be an incident, in which nothing moves.
      const primaries = new Set(Object.values(policy.routes).map(({ targets }) => targets[0]));
      const models = [...readings.models].map(([model, signals]): [string, SignalReadings] => [
        model,
        primaries.has(model) ? { ...signals, success: failing } : signals,
      ]);
      return { ...readings, models: new Map(models) };
    },
  };
}

// What is recorded.

type Query = (sql: string, values: readonly unknown[]) => Promise<unknown[]>;

/** Every statement goes through `change`, in a transaction or not. */
function withStatements(
  database: Database,
  change: (query: Query, sql: string, values: readonly unknown[]) => Promise<unknown[]>,
): Database {
  const through = (inner: Pick<Transaction, 'query'>) => ({
    query: async <Row>(sql: string, values: readonly unknown[] = []) =>
      (await change((sql, values) => inner.query(sql, values), sql, values)) as Row[],
  });
  return {
    ...database,
    ...through(database),
    transaction: work =>
      database.transaction(transaction => work({ ...transaction, ...through(transaction) })),
  };
}

const isReplace = (sql: string) =>
  sql.includes('UPDATE relaycore.route_states') && sql.includes('generation = $2,');

async function tellEarly({ drivers, clock }: LoopParts, values: readonly unknown[]): Promise<void> {
  const [route, generation, weights] = values as [string, number, string];
  const desired = { weights: JSON.parse(weights), generation, reason: 'early' };
  await drivers.get(route)!.apply(route, desired, clock.deadline(3_000));
}

// What is told.

const withDrivers = ({ drivers }: LoopParts, change: (driver: GatewayDriver) => GatewayDriver) =>
  new Map([...drivers].map(([route, driver]) => [route, change(driver)]));
