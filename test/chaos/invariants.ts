import type { Policy } from '@relaycore/rules';
import type { Desired } from '../../controller/src/apply/driver.ts';
import { controllerActor } from '../../controller/src/record/switch-events.ts';
import type { Status } from '../../controller/src/status.ts';
import type { ProbeResult, Verdict, Weights } from '../../controller/src/types.ts';
import type { EventRow, RouteRow, Tables } from './memory-database.ts';

/** What has to hold at every moment, whatever goes wrong; README.md says each in full. */
export const invariants = {
  unknown: 'nothing is switched on unknown',
  target: 'no degraded or unvetted target while a vetted one is there that nothing speaks against',
  weights: 'weights are never all zero, sum to 10000, and name known targets only',
  generations: 'generations rise by one',
  'write-ahead': 'a gateway is told only what was committed before',
  converges: 'when all is well again, the gateways soon hold what is desired',
  hands: 'nothing moves by itself against a pin, a freeze or the mode',
  'one event': 'each change has exactly one event, and each action of a person one entry',
} as const;

export type InvariantName = keyof typeof invariants;

export interface Violation {
  readonly invariant: InvariantName;
  readonly at: number;
  readonly what: string;
}

/** What is true, whatever the controller believes. */
export interface Truth {
  /** The probes as the controller last looked at them, and when. */
  readonly probes: ReadonlyMap<string, ProbeResult>;
  readonly probesAt: number;
  /** When each model last was bad, or looked so. */
  readonly lastBadAt: ReadonlyMap<string, number>;
  /** Since when their requests fail or are slow without a break, of those whose do. */
  readonly badSince: ReadonlyMap<string, number>;
}

/** A change that the controller made by itself, to be judged when its round is over. */
interface OwnChange {
  readonly event: EventRow;
  readonly life: string;
  readonly at: number;
  readonly truth: Truth;
}

export interface WatchParts {
  readonly policy: Policy;
  readonly now: () => number;
  readonly violated: (violation: Violation) => void;
  readonly truth: (life: string) => Truth;
}

/** Looks at everything that happens, and complains. */
export interface Watch {
  committed(before: Tables, after: Tables, life: string): void;
  /** A round is over, and this is what it went by; undefined when it crashed. */
  judged(life: string, status: Status | undefined): void;
  read(life: string, at: number, isWhole: boolean): void;
  asked(gateway: string, route: string, desired: Desired): void;
  told(gateway: string, route: string, desired: Desired): void;
  serves(gateway: string, route: string, weights: Weights): void;
  complain(invariant: InvariantName, what: string): void;
  /** How many changes were judged by the verdicts that they went by. */
  judgements(): number;
}

/** Evidence of trouble may be so old: a gap that is read later, and a verdict that waits for somebody to take over. */
const evidenceMs = 6 * 60_000;
/** A target that passes again has to pass for this long. */
const settleMs = 10_000;
/** Nobody earns a larger share who has been bad for so long. */
const proofMs = 60_000;
/** Prometheus may take so long to answer. */
const readMs = 10_000;

export function watch({ policy, now, violated, truth }: WatchParts): Watch {
  const complain = (invariant: InvariantName, what: string) => violated({ invariant, at: now(), what });
  /** By route and generation: the weights that were committed. */
  const committedWeights = new Map<string, string>();
  const reads = new Map<string, boolean>();
  let open: OwnChange[] = [];
  let judgements = 0;

  function checkWeights(where: string, route: string, weights: Weights): void {
    const targets = policy.routes[route]!.targets;
    const strange = Object.keys(weights).filter(model => !targets.includes(model));
    const values = Object.values(weights);
    const sum = values.reduce((total, weight) => total + weight, 0);
    const wrong = values.some(weight => !Number.isInteger(weight) || weight < 0);
    if (strange.length > 0 || wrong || sum !== 10_000)
      complain('weights', `${where} has ${JSON.stringify(weights)} for ${route}`);
  }

  function checkChange(before: RouteRow | undefined, after: RouteRow, events: readonly EventRow[]): void {
    const { route, generation } = after;
    checkWeights('the database', route, JSON.parse(after.weights));
    if (!before) {
      committedWeights.set(`${route} ${generation}`, after.weights);
      if (events.length > 0) complain('one event', `${route} has an event before it has a state`);
      return;
    }
    if (generation === before.generation) {
      if (after.weights !== before.weights || after.phase !== before.phase)
        complain('generations', `${route} changes within generation ${generation}`);
      return;
    }
    const own = events.filter(event => event.generation === generation);
    // What was set at a gateway is answered beyond the generation that it was set with.
    const isAnswer = own.some(({ kind }) => isAnswerToHand(kind));
    if (isAnswer ? generation <= before.generation : generation !== before.generation + 1)
      complain('generations', `${route} goes from generation ${before.generation} to ${generation}`);
    committedWeights.set(`${route} ${generation}`, after.weights);
    if (own.length !== 1 || events.length !== 1 || own[0]!.weights !== after.weights)
      complain('one event', `generation ${generation} of ${route} comes with ${events.length} events`);
    for (const event of own) checkHands(before, event);
    if (own.some(({ kind }) => kind === 'restore') && after.weights !== before.weights)
      complain('hands', `${route} is restored to what it was not: ${after.weights}`);
  }

  function checkHands(before: RouteRow, event: EventRow): void {
    const { route, actor, kind } = event;
    if (kind === 'restore') return;
    const { mode } = policy.routes[route]!;
    const bySelf = actor === controllerActor;
    if (bySelf && mode !== 'auto') complain('hands', `${kind} of ${route} by itself in mode ${mode}`);
    if (!bySelf && kind !== 'manual' && kind !== 'adopt' && mode !== 'approve')
      complain('hands', `${kind} of ${route} was approved in mode ${mode}`);
    for (const hand of [before.override, before.frozen]) {
      const { expiresAt, target } = hand === null ? {} : JSON.parse(hand);
      if (kind !== 'manual' && expiresAt > now())
        complain('hands', `${kind} of ${route} though it is ${target ? `pinned to ${target}` : 'frozen'}`);
    }
  }

  return {
    complain,
    judgements: () => judgements,
    committed(before, after, life) {
      const events = after.events.slice(before.events.length);
      for (const row of after.routes.values()) {
        const old = before.routes.get(row.route);
        const own = events.filter(({ route }) => route === row.route);
        if (old !== row) checkChange(old, row, own);
        else if (own.length > 0) complain('one event', `${row.route} has an event, and no change`);
      }
      checkEntries(before, after, complain);
      for (const event of events)
        if (event.actor === controllerActor && !isAnswerToHand(event.kind))
          open.push({ event, life, at: now(), truth: truth(life) });
    },
    read: (life, at, isWhole) => reads.set(`${life} ${at}`, isWhole),
    judged(life, status) {
      const due = open.filter(change => change.life === life);
      open = open.filter(change => change.life !== life);
      for (const change of due) {
        const record = JSON.parse(change.event.decision);
        const isPublished = status?.at === record.evaluated_at;
        judge(change, record, isPublished ? verdictsOf(status!) : verdictsIn(record));
      }
    },
    asked(gateway, route, desired) {
      checkWeights(`${gateway} is sent what`, route, desired.weights);
      checkCommitted(gateway, route, desired);
    },
    told: checkCommitted,
    serves: (gateway, route, weights) => checkWeights(gateway, route, weights),
  };

  function checkCommitted(gateway: string, route: string, { weights, generation }: Desired): void {
    const written = committedWeights.get(`${route} ${generation}`);
    const same = written !== undefined && sameWeights(JSON.parse(written), weights);
    if (!same)
      complain(
        'write-ahead',
        `${gateway} is told generation ${generation} of ${route} with ${JSON.stringify(weights)}, committed is ${written ?? 'nothing'}`,
      );
  }

  function judge(change: OwnChange, record: DecisionRecord, verdicts: Verdicts): void {
    const { event, life, at, truth } = change;
    const { kind, route, from_model: from, to_model: to } = event;
    const what = `${kind} of ${route} from ${from} to ${to}`;
    judgements++;
    if (reads.get(`${life} ${record.evaluated_at}`) !== true)
      complain('unknown', `${what}, though not everything could be read`);
    if (kind === 'failover') {
      const verdict = verdicts.get(from);
      if (verdict && !isCritical(verdict)) complain('unknown', `${what}, though ${from} is ${verdict.kind}`);
      if (at - (truth.lastBadAt.get(from) ?? 0) > evidenceMs)
        complain('unknown', `${what}, though nothing has been wrong with ${from} lately`);
      judgeTarget(change, verdicts, what);
    } else if (kind === 'probe' && !isVouchedFor(truth, to, drained))
      complain('target', `${what}, though no probe vouches for it`);
    else if (kind !== 'probe' && at - (truth.badSince.get(to) ?? at) > proofMs)
      complain('target', `${what}, which has been bad for more than ${proofMs / 1000} s`);
  }

  /** A better one than this was there. */
  function judgeTarget({ event, truth }: OwnChange, verdicts: Verdicts, what: string): void {
    const { from_model: from, to_model: to, route } = event;
    const verdictOf = (model: string) => verdicts.get(model) ?? drained;
    const isGood = (model: string) =>
      verdictOf(model).kind !== 'degraded' && isVouchedFor(truth, model, verdictOf(model), 'surely');
    const better = policy.routes[route]!.targets.filter(model => model !== from && isGood(model));
    const isFine = verdictOf(to).kind !== 'degraded' && isVouchedFor(truth, to, verdictOf(to));
    if (better.length > 0 && !isFine)
      complain('target', `${what} (${JSON.stringify(verdictOf(to))}), while ${better.join(', ')} is vetted`);
  }

  /**
   * By a probe that passed lately and steadily, or by its evidence where no probe speaks. The controller goes by the time
   * that was read, which is a little earlier: so some are vouched for in its eyes, and others are surely.
   */
  function isVouchedFor(
    { probes, probesAt }: Truth,
    model: string,
    verdict: Verdict,
    how: 'perhaps' | 'surely' = 'perhaps',
  ): boolean {
    const probe = probes.get(model);
    if (!probe) return verdict === drained ? how === 'perhaps' : verdict.kind === 'healthy';
    if (probe.kind === 'failed') return false;
    const { intervalMs, timeoutMs } = policy.probes;
    const earlierMs = readMs + policy.detection.ingestionLagMs;
    const steadyMs = probe.recoveredAt === undefined ? Infinity : probesAt - probe.recoveredAt;
    if (steadyMs < (how === 'surely' ? settleMs + earlierMs : settleMs)) return false;
    const freshMs = 3 * intervalMs + timeoutMs + (how === 'surely' ? 0 : earlierMs);
    return probesAt - probe.at <= freshMs || verdict.kind === 'healthy';
  }
}

const isAnswerToHand = (kind: string) => kind === 'adopt' || kind === 'restore';

/** As in the record of a decision. */
interface DecisionRecord {
  readonly evaluated_at: number;
  readonly alternatives: readonly { readonly model: string; readonly verdict: Verdict }[];
}

type Verdicts = ReadonlyMap<string, Verdict>;

const verdictsOf = ({ assessments }: Status): Verdicts =>
  new Map([...assessments].map(([model, { verdict }]) => [model, verdict]));

/** Of a round that failed half-way only the record tells. */
const verdictsIn = ({ alternatives }: DecisionRecord): Verdicts =>
  new Map(alternatives.map(({ model, verdict }) => [model, verdict]));

const drained: Verdict = { kind: 'unknown', reason: 'no traffic' };

const isCritical = (verdict: Verdict) => verdict.kind === 'degraded' && verdict.level === 'critical';

/** Whatever a person did left one entry for each route that it changed, and none twice under one key. */
function checkEntries(before: Tables, after: Tables, complain: Watch['complain']): void {
  const entries = after.audit.slice(before.audit.length);
  const seen = new Set<unknown>();
  for (const { idempotency_key: key, route, action } of entries) {
    const isRepeated =
      before.audit.some(entry => entry.idempotency_key === key) || seen.has(`${key} ${route}`);
    if (isRepeated) complain('one event', `${action} of ${route} was made twice for one request`);
    seen.add(`${key} ${route}`);
  }
}

const sameWeights = (one: Weights, other: Weights) =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])].every(
    model => (one[model] ?? 0) === (other[model] ?? 0),
  );
