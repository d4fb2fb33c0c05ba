import type { HardDownRule } from '../../../controller/src/assess/hard-down.ts';

/** Requests of which each fails with that probability, whatever the others do. */
export interface Failing {
  readonly requestsPerTick: number;
  readonly failureChance: number;
  readonly tickMs: number;
}

/** Later ticks of a run that is this unlikely to get there add nothing. */
const negligible = 1e-30;

/**
 * How often failures in a row come about by chance, per tick. That rule has no budget, so what it adds is worked out:
 * exactly, for a run of ticks that saw failures only is a Markov chain over its length and its failures, and the runs
 * are a renewal process.
 */
export function hardDownPerTick(failing: Failing, rule: HardDownRule): number {
  const longEnough = Math.max(1, Math.ceil(rule.forMs / failing.tickMs));
  const onlyFailures = chancesOfOnlyFailures(failing, rule.failures);
  // By failures, those beyond the rule's together: the chance that the run is still under way after so many ticks.
  let underWay = [0, ...onlyFailures.slice(1)];
  let fired = 0;
  let ticks = 1;
  for (let length = 1; sum(underWay) > negligible; length++) {
    if (length >= longEnough) {
      fired += underWay[rule.failures]!;
      underWay[rule.failures] = 0;
    }
    ticks += sum(underWay);
    underWay = convolved(underWay, onlyFailures);
  }
  return fired / ticks;
}

/** The chance of a tick with so many failures and no success; the last entry is of that many or more. */
function chancesOfOnlyFailures({ requestsPerTick, failureChance }: Failing, most: number): number[] {
  const mean = requestsPerTick * failureChance;
  const chances = [Math.exp(-requestsPerTick)];
  for (let failures = 1; failures < most; failures++) chances.push((chances.at(-1)! * mean) / failures);
  return [...chances, poissonTail(requestsPerTick, mean, most)];
}

/** e^{−requests} · Σ_{j ≥ most} mean^j / j!, term by term: a difference from the whole would be lost in rounding. */
function poissonTail(requests: number, mean: number, most: number): number {
  let term = Math.exp(-requests);
  for (let j = 1; j <= most; j++) term *= mean / j;
  let tail = 0;
  for (let j = most; term > tail * Number.EPSILON; j++) {
    tail += term;
    term *= mean / (j + 1);
  }
  return tail;
}

/** The sum of two counts, where the last entry of each stands for that many or more. */
function convolved(a: readonly number[], b: readonly number[]): number[] {
  const both: number[] = new Array(a.length).fill(0);
  const last = a.length - 1;
  for (let i = 0; i <= last; i++)
    for (let j = 0; j <= last; j++) both[Math.min(i + j, last)]! += a[i]! * b[j]!;
  return both;
}

const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
