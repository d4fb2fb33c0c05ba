import { loadPolicy, type Mode, type Policy, type Signal } from '@relaycore/rules';
import { assess, type ModelState, newModelState } from '../../controller/src/assess/assess.ts';
import { type GaugeStates, withGauges } from '../../controller/src/assess/gauges.ts';
import { decide } from '../../controller/src/decide/decide.ts';
import { endOf, expiryOf, isSameChange, mayPropose } from '../../controller/src/decide/propose.ts';
import { allTo } from '../../controller/src/decide/weights.ts';
import {
  type Assessment,
  type Change,
  type Decision,
  isChange,
  type Observation,
  type ProbeResult,
  type Proposal,
  type ProposalStatus,
  type Reading,
  type ResourceReadings,
  type RouteState,
  type SignalReadings,
} from '../../controller/src/types.ts';

export const seconds = (count: number) => count * 1000;
export const minutes = (count: number) => count * 60_000;
export const hours = (count: number) => count * 3_600_000;

/** How a model behaves; what is not said stays as it was. */
export interface Behaviour {
  /** Share of requests that succeed. */
  readonly success: number;
  /** Share of requests that are slower than every threshold. */
  readonly slow: number;
  /** Mean seconds of a request; a function of its requests a second where load makes it slower. */
  readonly latency: number | ((perSecond: number) => number);
  /** Mean score of the answers, of which one in ten is scored. */
  readonly accuracy: number;
  /** Share of the failures that are refusals for want of quota. */
  readonly overQuota: number;
  /** Requests a second beyond which it buckles: most of them fail then. */
  readonly takes: number;
  /** Requests a second that are copies of other requests, whatever the route sends it. */
  readonly copies: number;
  /** How long after an answer its score comes. */
  readonly scoresLateMs: number;
  /** Mean badness of the signals that the policy adds. */
  readonly custom: Readonly<Record<string, number>>;
  /** Values of the resources that are seen of it. */
  readonly resources: Readonly<Record<string, number>>;
  /** Why nothing can be read about it, when nothing can. */
  readonly unseen: string | undefined;
}

export interface StoryOptions {
  /** In order of priority; the first is the primary. */
  readonly targets: readonly [string, ...string[]];
  /** YAML of the policy's `detection`, `alert_settings` and so on; the shipped values otherwise. */
  readonly policy?: string;
  /** YAML of what the policy says of a model, in braces. */
  readonly models?: Readonly<Record<string, string>>;
  /** YAML of how the route is balanced, in braces; not at all otherwise. */
  readonly balance?: string;
  /** The gateway holds no shares. */
  readonly allOrNothing?: boolean;
  /** YAML of the route's failback, in braces. */
  readonly failback?: string;
  readonly mode?: Mode;
  readonly requestsPerSecond?: number;
}

/** One route and its models, tick by tick on simulated time: assess and decide for real, traffic by arithmetic. */
export interface Story {
  readonly policy: Policy;
  now(): number;
  state(): RouteState;
  /** The last decision. */
  decision(): Decision;
  assessment(model: string): Assessment;
  /** Every change so far, with the time at which it was decided. */
  changes(): readonly (Change & { readonly at: number })[];
  behaves(model: string, behaviour: Partial<Behaviour>): void;
  /** What the probes of a target say from now on; `undefined`: it has none. */
  probe(model: string, result: 'passes' | 'fails' | undefined): void;
  traffic(requestsPerSecond: number): void;
  /** Lets time pass; every decision is checked for what holds of all decisions. */
  passes(ms: number): void;
  /** Lets time pass until a decision of this kind or for this reason. Throws when there is none within `ms`. */
  until(what: Decision['kind'] | Decision['reason'], ms: number): Decision;
  /** A person commits another state, as the API does. */
  person(change: Partial<RouteState>): void;
  /** The controller ends and another one begins; what was committed is there, the evidence only if it is young enough. */
  restarts(evidence: 'kept' | 'lost'): void;
  /** A person freezes the route, or lifts what is on it: the traffic and the generation stay. */
  hand(hand: Pick<RouteState, 'override' | 'freeze'>): void;
  /** What was left to a person so far, oldest first. */
  proposals(): readonly Proposal[];
  /** A person says yes to the open proposal, and it is done if it is still decided; or no. */
  answers(answer: 'approved' | 'rejected'): void;
}

const healthy: Behaviour = {
  success: 0.99,
  slow: 0.005,
  latency: 0.5,
  accuracy: 0.95,
  overQuota: 0,
  takes: Number.POSITIVE_INFINITY,
  copies: 0,
  scoresLateMs: 0,
  custom: {},
  resources: {},
  unseen: undefined,
};

export function tell({
  targets,
  policy: extra = '',
  models: modelKeys = {},
  failback = '{}',
  balance,
  allOrNothing = false,
  mode = 'auto',
  requestsPerSecond = 10,
}: StoryOptions): Story {
  const policy = policyOf(
    targets,
    modelKeys,
    extra,
    `failback: ${failback}, mode: ${mode}${balance === undefined ? '' : `, balance: ${balance}`}`,
  );
  const route = policy.routes.mail!;
  const { tickMs } = policy.detection;
  const behaviours = new Map(targets.map(model => [model, healthy]));
  const probes = new Map<string, 'passes' | 'fails'>(targets.map(model => [model, 'passes']));
  const failedSince = new Map<string, number>();
  const recoveredAt = new Map<string, number>();
  const models = new Map<string, ModelState>();
  const assessed = new Map<string, Assessment>();
  let assessments: ReadonlyMap<string, Assessment> = assessed;
  let gauges: GaugeStates = new Map();
  const changes: (Change & { at: number })[] = [];
  const proposals: Proposal[] = [];
  const carried = new Map<string, number>();
  const lateScores: { readonly model: string; readonly at: number; readonly scores: Reading }[] = [];
  const latencies = meanLatencies(policy.alerts.windowMinutes * 60_000);
  let rate = requestsPerSecond;
  let now = Date.parse('2026-11-02T08:00:00Z');
  let decision: Decision | undefined;
  let decidedSince = now;
  let state: RouteState = {
    route: route.name,
    generation: 0,
    weights: allTo(targets[0], targets),
    phase: { kind: 'primary', since: now },
    backoff: { level: 0 },
    updatedAt: now,
  };

  /** Whole events out of a rate; the fraction waits for the next tick. */
  function whole(what: string, amount: number): number {
    const sum = amount + (carried.get(what) ?? 0);
    const count = Math.floor(sum + 1e-9);
    carried.set(what, sum - count);
    return count;
  }

  function readings(model: string): SignalReadings {
    const { slow, overQuota, takes, copies, custom, unseen, latency, ...behaviour } = behaviours.get(model)!;
    const feedback = absent(unseen ?? 'nobody rates it');
    if (unseen !== undefined)
      return { success: absent(unseen), latency: absent(unseen), accuracy: absent(unseen), feedback };
    const perSecond = (rate * (state.weights[model] ?? 0)) / 10_000 + copies;
    const success = perSecond > takes ? 0.3 : behaviour.success;
    const requests = whole(`${model} requests`, (perSecond * tickMs) / 1000);
    const failed = whole(`${model} failed`, requests * (1 - success));
    const refused = whole(`${model} over quota`, failed * overQuota);
    const seconds = typeof latency === 'number' ? latency : latency(perSecond);
    latencies.add(model, now, requests, seconds);
    return {
      success: { ...counts(requests, failed), ...(refused > 0 && { overQuota: refused }) },
      latency: counts(requests, whole(`${model} slow`, requests * slow)),
      accuracy: scoresOf(model, requests, behaviour),
      feedback,
      ...Object.fromEntries(
        Object.entries(custom).map(([name, bad]) => [
          name,
          counts(requests, whole(`${model} ${name}`, requests * bad)),
        ]),
      ),
    };
  }

  /** One answer in ten is scored, now or later. */
  function scoresOf(
    model: string,
    requests: number,
    { accuracy, scoresLateMs }: Partial<Behaviour>,
  ): Reading {
    const scores = whole(`${model} scores`, requests / 10);
    const scored = counts(scores, whole(`${model} wrong`, scores * (1 - accuracy!)));
    if (scoresLateMs === 0) return scored;
    lateScores.push({ model, at: now + scoresLateMs!, scores: scored });
    const due = lateScores.findIndex(late => late.model === model && late.at <= now);
    return due < 0 ? counts(0, 0) : lateScores.splice(due, 1)[0]!.scores;
  }

  function resources(): ResourceReadings {
    return new Map(
      [...behaviours].map(([model, { resources }]) => [
        model,
        new Map(Object.entries(resources).map(([name, value]) => [name, { value }])),
      ]),
    );
  }

  function tick(): void {
    now += tickMs;
    for (const model of targets) {
      const { phase } = state;
      const proving = model === targets[0] && (phase.kind === 'probing' || phase.kind === 'ramping');
      const memory = models.get(model) ?? newModelState(now);
      models.set(model, memory);
      const assessment = assess(memory, {
        model,
        signals: policy.models[model]!.signals,
        policy,
        readings: readings(model),
        at: now,
        ...(proving && { provingSince: phase.since }),
      });
      assessed.set(model, assessment);
    }
    const next = withGauges(assessed, gauges, { policy, readings: { at: now, resources: resources() } });
    gauges = next.states;
    assessments = next.assessments;
    const { intervalMs, timeoutMs } = policy.probes;
    const before = decision;
    decision = decide({
      route,
      state,
      assessments,
      probes: probeResults(),
      ...(balance !== undefined && { latencies: { seconds: latencies.at(now) } }),
      allOrNothing,
      now,
      freshMs: intervalMs * 3 + timeoutMs,
    });
    mustHold(decision, targets);
    if (before?.reason !== decision.reason) decidedSince = now;
    if (mode !== 'auto') propose(decision);
    else if (isChange(decision)) change(decision);
  }

  function change(decision: Change): void {
    const { freeze } = state;
    changes.push({ ...decision, at: now });
    const generation = state.generation + 1;
    state = { route: route.name, generation, ...decision.next, ...(freeze && { freeze }), updatedAt: now };
  }

  /** As the controller follows its proposals, with a list for a table. */
  function propose(decision: Decision): void {
    const following = { route, decision, now };
    const open = openProposal();
    const end = open && endOf(open, following);
    if (open && end) close(open, end);
    if (!isChange(decision) || (open && !end)) return;
    const refused = proposals.findLast(
      proposal => isSameChange(proposal, decision) && ['rejected', 'expired'].includes(proposal.status),
    );
    if (!mayPropose(decision, refused, following, decidedSince)) return;
    const { kind, from, to, words } = decision;
    const expiresAt = expiryOf(route, now);
    const [id, proposedAt] = [proposals.length + 1, now];
    const { generation } = state;
    const about = { id, route: route.name, generation, mode, kind, from, to, words, decision };
    proposals.push({ ...about, status: 'open', proposedAt, ...(expiresAt !== undefined && { expiresAt }) });
  }

  const openProposal = () => proposals.find(({ status }) => status === 'open');
  function close(proposal: Proposal, status: ProposalStatus): void {
    proposals[proposals.indexOf(proposal)] = { ...proposal, status, closedAt: now };
  }

  function recovered(model: string): { recoveredAt?: number } {
    const at = recoveredAt.get(model);
    return at === undefined ? {} : { recoveredAt: at };
  }

  function probeResults(): ReadonlyMap<string, ProbeResult> {
    return new Map(
      [...probes].map(([model, result]) => [
        model,
        result === 'passes'
          ? { kind: 'passed', at: now, durationMs: 12, ...recovered(model) }
          : {
              kind: 'failed',
              at: now,
              reason: 'answered 503',
              failures: 3,
              since: failedSince.get(model) ?? now,
            },
      ]),
    );
  }

  return {
    policy,
    now: () => now,
    state: () => state,
    decision: () => decision!,
    assessment: model => assessments.get(model)!,
    changes: () => changes,
    behaves(model, behaviour) {
      behaviours.set(model, { ...behaviours.get(model)!, ...behaviour });
    },
    probe(model, result) {
      if (result === undefined) probes.delete(model);
      else probes.set(model, result);
      if (result === 'fails') failedSince.set(model, now);
      else if (failedSince.has(model)) recoveredAt.set(model, now);
    },
    traffic(requestsPerSecond) {
      rate = requestsPerSecond;
    },
    passes(ms) {
      for (const end = now + ms; now < end; ) tick();
    },
    until(what, ms) {
      for (const end = now + ms; now < end; ) {
        tick();
        if (decision!.kind === what || decision!.reason === what) return decision!;
      }
      throw new Error(
        `no ${what} within ${ms / 1000} s; the last decision: ${decision?.reason}: ${decision?.words}`,
      );
    },
    person(change) {
      const { override: _ended, ...standing } = state;
      state = { ...standing, ...change, generation: state.generation + 1, updatedAt: now };
      const open = openProposal();
      if (open) close(open, 'superseded');
    },
    restarts(evidence) {
      if (evidence === 'kept') return;
      models.clear();
      gauges = new Map();
    },
    hand({ override, freeze }) {
      const { override: _lifted, freeze: _thawed, ...standing } = state;
      state = { ...standing, ...(override && { override }), ...(freeze && { freeze }) };
    },
    proposals: () => proposals,
    answers(answer) {
      const open = openProposal();
      if (!open) throw new Error('no proposal is open');
      if (answer === 'approved') {
        if (!isChange(decision!) || !isSameChange(open, decision))
          throw new Error(`it is no longer decided: ${decision!.words}`);
        change(decision);
      }
      close(open, answer);
    },
  };
}

function policyOf(
  targets: readonly string[],
  models: NonNullable<StoryOptions['models']>,
  extra: string,
  route: string,
): Policy {
  const loaded = loadPolicy(`
models: {${targets.map(model => `${model}: ${models[model] ?? '{}'}`).join(', ')}}
routes:
  mail: { targets: [${targets.join(', ')}], driver: { kind: dry-run }, ${route} }
${extra}`);
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems));
  return loaded.policy;
}

const absent = (reason: string): Reading => ({ kind: 'absent', reason });

function counts(requests: number, bad: number): Reading {
  const observations: Observation[] = [
    { badness: 0, count: requests - bad },
    { badness: 1, count: bad },
  ].filter(({ count }) => count > 0);
  return { kind: 'counts', vantage: 'gateway', levels: { warning: observations, critical: observations } };
}

/** As Prometheus works them out: of all requests within the window. */
function meanLatencies(windowMs: number) {
  const counted = new Map<string, [at: number, requests: number, seconds: number][]>();
  return {
    add(model: string, at: number, requests: number, seconds: number): void {
      const ticks = counted.get(model) ?? [];
      ticks.push([at, requests, requests * seconds]);
      if (ticks[0]![0] <= at - windowMs) ticks.shift();
      counted.set(model, ticks);
    },
    at(now: number): ReadonlyMap<string, number> {
      const means = [...counted].map(([model, ticks]) => {
        let [all, total] = [0, 0];
        for (const [at, requests, seconds] of ticks)
          if (at > now - windowMs) [all, total] = [all + requests, total + seconds];
        return [model, total / all] as const;
      });
      return new Map(means.filter(([, mean]) => Number.isFinite(mean)));
    },
  };
}

/** What is true of every decision, whatever the story. */
function mustHold(decision: Decision, targets: readonly string[]): void {
  const complain = (problem: string) => {
    throw new Error(`${problem}: ${JSON.stringify(decision)}`);
  };
  const withoutNames = targets.reduce((words, target) => words.replaceAll(target, ''), decision.words);
  if (!/\d/.test(withoutNames) && !/ unknown: /.test(withoutNames)) complain('words without a number');
  if (/NaN|undefined|Infinity|null/.test(decision.words)) complain('words with a hole');
  if (!isChange(decision)) return;
  const weights = Object.values(decision.next.weights);
  if (weights.reduce((sum, weight) => sum + weight) !== 10_000) complain('weights that do not sum to 10000');
  if (weights.some(weight => weight < 0 || !Number.isInteger(weight))) complain('a weight that is none');
  if (Object.keys(decision.next.weights).length !== targets.length) complain('a target without a weight');
}

/** The named signal of an assessment. */
export function signalOf(assessment: Assessment, name: Signal['name']) {
  return assessment.signals.find(({ signal }) => signal === name)!;
}
