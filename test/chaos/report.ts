import { invariants } from './invariants.ts';
import type { Played } from './world.ts';

export type Counts = ReadonlyMap<string, number>;

export function totalOf(played: readonly Pick<Played, 'counts'>[]): Counts {
  const total = new Map<string, number>();
  for (const { counts } of played)
    for (const [what, count] of counts) total.set(what, (total.get(what) ?? 0) + count);
  return total;
}

/** What the seeds went through: a chaos in which nothing happens shows nothing. */
export function describeCoverage(counts: Counts): string {
  const groups: readonly (readonly [string, readonly string[]])[] = [
    ['changes', ['failover', 'probe', 'ramp', 'failback', 'manual', 'gateway changes', 'lost to another']],
    ['controllers', ['crash', 'crashes', 'stop', 'second controller']],
    ['people', keysOf(counts, 'done: ')],
    ['models', [...keysOf(counts, 'model '), ...keysOf(counts, 'probes '), 'restart']],
    ['Prometheus', [...keysOf(counts, 'prometheus '), 'unscraped']],
    ['gateways', keysOf(counts, 'gateway ').filter(key => key !== 'gateway changes')],
    ['database', ['database', 'database faults']],
    ['judged', ['judged', 'steps']],
  ];
  return groups
    .map(([name, keys]) => {
      const parts = keys.map(
        key =>
          `${(counts.get(key) ?? 0).toLocaleString('en')} ${key.replace(/^done: |^\w+ (?=is|fail|warn|scrape|answer|hang|forget|change|appl|refuse|flap|are)/, '')}`,
      );
      return `${`${name}:`.padEnd(13)}${parts.join(', ')}`;
    })
    .join('\n');
}

const keysOf = (counts: Counts, beginning: string) =>
  [...counts.keys()].filter(key => key.startsWith(beginning)).toSorted();

/** A seed that failed, by itself: what did not hold, and the shortest way there. */
export function describeFailure({ seed, violation, account }: Played): string {
  const { invariant, what } = violation!;
  return [
    `seed ${seed}: "${invariants[invariant]}" does not hold: ${what}`,
    ...account.map(line => `  ${line}`),
    `again, with everything that happened: npm run chaos -- --seed ${seed} --trace`,
  ].join('\n');
}

/** What other programs read. A round is a seed. */
export function reportOf(played: readonly Played[]) {
  return {
    rounds: played.map(({ seed, violation, recoverMs, counts }) => ({
      seed,
      fault: [...counts].flatMap(([what, count]) => (isFault(what) ? `${count} ${what}` : [])).join(', '),
      recoverMs,
      violations: violation ? [violation] : [],
    })),
    violations: played.filter(({ violation }) => violation).length,
    counts: Object.fromEntries(totalOf(played)),
  };
}

const isFault = (what: string) =>
  /^(model|probes|prometheus|gateway (?!changes)|database|crashes|stop|second)/.test(what) ||
  what === 'unscraped';
