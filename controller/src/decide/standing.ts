import type { Balance } from '@relaycore/rules';
import type { Assessment, SignalAssessment, Verdict, Weights } from '../types.ts';
import { backoffMs } from './backoff.ts';
import { vet } from './backups.ts';
import type { Situation } from './situation.ts';
import { isCritical, verdictOf } from './verdicts.ts';
import { describeVerdict } from './words.ts';

/** How a target stands in a route that is balanced: what it has shown, and what that lets its share do. */
export interface Standing {
  readonly model: string;
  /** Now, in basis points. */
  readonly share: number;
  readonly verdict: Verdict;
  readonly vetted: boolean;
  readonly kind: 'gains' | 'loses' | 'keeps' | 'enters' | 'out';
  readonly why: string;
  /** What its share is in proportion to, where it was measured. */
  readonly score: number;
  readonly measure?: Measure;
}

interface Measure {
  /** Mean time of a request. */
  readonly seconds?: number;
  readonly success: number;
  /** Mean score, where every target that was measured has one. */
  readonly accuracy?: number;
  readonly requests: number;
}

/** Every target of the route, in the order of priority. */
export function standingsOf(situation: Situation, balance: Balance): readonly Standing[] {
  const measures = measuresOf(situation, balance);
  const shares = sharesNow(situation);
  return situation.route.targets.map(model => {
    const verdict = verdictOf(situation, model);
    const { vetted, why } = vet(situation, model, verdict);
    const measure = measures.get(model);
    const known = { model, share: shares[model]!, verdict, vetted, why };
    return {
      ...known,
      ...(balance.targets.includes(model)
        ? kindOf(situation, balance, known, measure)
        : { kind: 'out' as const, why: 'takes no part' }),
      score: measure ? scoreOf(measure, balance) : 1,
      ...(measure && { measure }),
    };
  });
}

type Known = Pick<Standing, 'model' | 'share' | 'verdict' | 'vetted' | 'why'>;

/** Nobody gains against a verdict, or unmeasured; who has nothing gets the least once somebody vouches for it. */
function kindOf(
  situation: Situation,
  { minimumPercent }: Balance,
  { model, share, verdict, vetted, why }: Known,
  measure: Measure | undefined,
): Pick<Standing, 'kind' | 'why'> {
  if (isCritical(verdict)) {
    if (share > 0) return { kind: 'keeps', why: `${why}, and recovering` };
    const waits = waitsFor(situation, model);
    return waits === undefined ? { kind: 'enters', why: 'may prove itself' } : { kind: 'out', why: waits };
  }
  if (measure && verdict.kind !== 'unknown')
    return { kind: vetted && verdict.kind === 'healthy' ? 'gains' : 'loses', why };
  if (vetted && share < minimumPercent * 100 && verdict.kind !== 'degraded') return { kind: 'enters', why };
  return share > 0 ? { kind: 'keeps', why: `not measured, ${why}` } : { kind: 'out', why };
}

/** What a target that was left as critical still waits for: as long as a primary would, and for its probe. */
function waitsFor(situation: Situation, model: string): string | undefined {
  const { assessments, probes, route, state, now } = situation;
  const standing = assessments.get(model)!.signals.filter(({ levels }) => levels.critical.stands);
  const exhausted = standing.find(({ resource }) => resource !== undefined);
  if (exhausted) return `${exhausted.signal} critical`;
  const firedAt = Math.max(...standing.map(({ levels }) => levels.critical.firedAt!));
  const waitMs = firedAt + backoffMs(route.failback, state.backoff.level) - now;
  if (waitMs > 0) return `${standing[0]?.signal} critical, tried again in ${Math.ceil(waitMs / 1000)} s`;
  if (!probes.has(model)) return undefined;
  const { vetted, why } = vet(situation, model, { kind: 'unknown', reason: 'drained' });
  return vetted ? undefined : why;
}

/** Only targets that can be compared: with enough requests, and seen from the same place. */
function measuresOf(situation: Situation, balance: Balance): ReadonlyMap<string, Measure> {
  const { assessments, latencies } = situation;
  const found = balance.targets.flatMap(model => {
    const assessment = assessments.get(model);
    const seconds = latencies?.seconds.get(model);
    const [success, latency] = [signalOf(assessment, 'success'), signalOf(assessment, 'latency')];
    const requests = Math.max(success?.requests ?? 0, latency?.requests ?? 0);
    if (requests < balance.minRequests || (balance.by.includes('latency') && seconds === undefined))
      return [];
    const accuracy = signalOf(assessment, 'accuracy');
    const measure = {
      requests,
      success: success ? meanOf(success) : 1,
      ...(seconds !== undefined && { seconds }),
      ...(accuracy && accuracy.requests >= balance.minRequests && { accuracy: meanOf(accuracy) }),
    };
    return [{ model, measure, vantage: (latency ?? success)?.vantage }];
  });
  const vantages = new Set(found.flatMap(({ vantage }) => vantage ?? []));
  // A gateway's clock has the way there in it, a server's has not.
  if (vantages.size > 1) return new Map();
  const areScored = found.every(({ measure }) => measure.accuracy !== undefined);
  return new Map(
    found.map(({ model, measure: { accuracy, ...measure } }) => [
      model,
      areScored && accuracy !== undefined ? { ...measure, accuracy } : measure,
    ]),
  );
}

/** See the head of `balance.ts`. */
function scoreOf({ seconds = 1, success, accuracy = 1 }: Measure, { by }: Balance): number {
  const quality = by.includes('quality') ? (success * accuracy) ** 8 : 1;
  return by.includes('latency') ? (quality * success) / Math.max(seconds, 1e-6) : quality;
}

const signalOf = (assessment: Assessment | undefined, name: 'success' | 'latency' | 'accuracy') =>
  assessment?.signals.find(({ signal, requests }) => signal === name && requests > 0);

const meanOf = ({ levels: { critical } }: SignalAssessment) =>
  critical.counts.requests > 0 ? 1 - critical.counts.bad / critical.counts.requests : 1;

/** `spam-v1 60 % (0.812 s, success 0.990, accuracy 0.950)`; of one that was not measured the reason. */
export function numbersOf({ model, share, kind, why, measure, verdict }: Standing): string {
  const numbers = measure ? [...measuredWords(measure)] : [why];
  if (measure && kind !== 'gains') numbers.push(verdict.kind === 'healthy' ? why : describeVerdict(verdict));
  return `${model} ${share / 100} % (${numbers.join(', ')})`;
}

function measuredWords({ seconds, success, accuracy, requests }: Measure): readonly string[] {
  return [
    ...(seconds === undefined ? [] : [`${Number(seconds.toPrecision(3))} s`]),
    `success ${success.toFixed(3)}`,
    ...(accuracy === undefined ? [] : [`accuracy ${accuracy.toFixed(3)}`]),
    `${Math.round(requests)} requests`,
  ];
}

/** What each target of the route has; what a target had that is none any more counts as the first one's. */
export function sharesNow({ route, state }: Situation): Weights {
  const shares = route.targets.map(target => state.weights[target] ?? 0);
  const lost = 10_000 - shares.reduce((total, share) => total + share, 0);
  return Object.fromEntries(route.targets.map((target, i) => [target, shares[i]! + (i === 0 ? lost : 0)]));
}
