import type { Alternative, ProbeResult, Verdict } from '../types.ts';
import { backoffMs } from './backoff.ts';
import type { Situation } from './situation.ts';
import { isCritical, verdictOf } from './verdicts.ts';
import { describeVerdict } from './words.ts';

/* Who could take over, and who vouches for them. */

/**
 * Every other target in order of priority. Chosen is the one that serves already, else the first vetted one that is not
 * degraded, else the first vetted one with a warning, else the first whose verdict has outlived its evidence.
 */
export function weigh(situation: Situation, leaving: string, serving: string | undefined): Alternative[] {
  const candidates = situation.route.targets
    .filter(model => model !== leaving)
    .map(model => {
      const verdict = verdictOf(situation, model);
      return { model, verdict, ...(outlived(situation, model) ?? vet(situation, model, verdict)) };
    });
  const usable = candidates.filter(({ vetted, verdict }) => vetted && !isCritical(verdict));
  const chosen =
    usable.find(({ model, verdict }) => model === serving && verdict.kind !== 'degraded') ??
    usable.find(({ verdict }) => verdict.kind !== 'degraded') ??
    usable[0] ??
    candidates.find(({ model, verdict }) => model === serving && !isCritical(verdict)) ??
    candidates.find(({ vetted }) => vetted);
  return candidates.map(candidate => ({ ...candidate, chosen: candidate === chosen }));
}

/**
 * A drained target keeps its critical verdict for want of traffic that could lift it. After the wait that any target
 * gets before it is tried again, a probe that passes makes it better than one that fails now.
 */
function outlived(
  { route, state, assessments, probes, now, freshMs }: Situation,
  model: string,
): { vetted: true; why: string } | undefined {
  const standing = assessments.get(model)?.signals.filter(({ levels }) => levels.critical.stands) ?? [];
  const probe = probes.get(model);
  if (standing.length === 0 || (state.weights[model] ?? 0) > 0) return undefined;
  if (probe?.kind !== 'passed' || !isFresh(probe, now, freshMs) || settlesInMs(probe, now) > 0)
    return undefined;
  const ageMs = now - Math.max(...standing.map(({ levels }) => levels.critical.firedAt!));
  if (ageMs <= backoffMs(route.failback, state.backoff.level)) return undefined;
  const minutes = Math.round(ageMs / 60_000);
  return {
    vetted: true,
    why: `${standing[0]!.signal} critical ${minutes} min ago and no traffic since, its probe passed in ${Math.round(probe.durationMs)} ms`,
  };
}

/**
 * A probe that has just begun to pass again vouches for nobody yet: after an outage of everything the targets come back
 * one by one, and the one that serves may only be a moment behind.
 */
const settleMs = 10_000;

const settlesInMs = ({ recoveredAt }: Extract<ProbeResult, { kind: 'passed' }>, now: number) =>
  recoveredAt === undefined ? 0 : recoveredAt + settleMs - now;

const isFresh = ({ at, vouchesMs }: ProbeResult, now: number, freshMs: number) =>
  now - at <= (vouchesMs ?? freshMs);

/** A target is vouched for by a probe that passed lately, or by evidence from traffic. */
export function vet(
  { probes, now, freshMs }: Situation,
  model: string,
  verdict: Verdict,
): { vetted: boolean; why: string } {
  if (isCritical(verdict)) return { vetted: false, why: describeVerdict(verdict) };
  const probe = probes.get(model);
  if (probe?.kind === 'failed')
    return { vetted: false, why: `its probe failed ${times(probe.failures)}: ${probe.reason}` };
  if (probe && settlesInMs(probe, now) > 0)
    return { vetted: false, why: `its probe passes again, but not yet for ${settleMs / 1000} s` };
  if (probe && isFresh(probe, now, freshMs)) {
    const passed = `its probe passed in ${Math.round(probe.durationMs)} ms`;
    return {
      vetted: true,
      why: verdict.kind === 'unknown' ? passed : `${describeVerdict(verdict)}, ${passed}`,
    };
  }
  if (verdict.kind !== 'unknown') return { vetted: true, why: describeVerdict(verdict) };
  const last = probe ? `; its last probe is ${Math.round((now - probe.at) / 1000)} s old` : '';
  return {
    vetted: false,
    why: `neither a recent probe nor evidence vouches for it (${verdict.reason}${last})`,
  };
}

const times = (count: number) => (count === 1 ? 'once' : `${count} times in a row`);
