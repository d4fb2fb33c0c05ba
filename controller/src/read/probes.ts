import type { Model, Policy } from '@relaycore/rules';
import type { ProbeResult } from '../types.ts';
import { isFailure } from './expectation.ts';
import { goldenRequestsOf, type Look, lookAt } from './look.ts';
import { probeResult } from './probe-result.ts';
import { createSchedule } from './probe-schedule.ts';

/** Requests of the controller's own, sent directly to every target of a route on a schedule. */
export interface Prober {
  results(): ReadonlyMap<string, ProbeResult>;
  /** Looks at one model now, or joins the look under way. Where the policy allows no more requests, the last one stands. */
  probe(model: Model): Promise<ProbeResult>;
  stop(): Promise<void>;
}

/** A changed policy is noticed within this time. */
const longestSleepMs = 1_000;

/** @param onLook told of each look, for the metrics */
export function startProber(
  policy: () => Policy,
  now: () => number,
  onLook: (model: Model, look: Look) => void = () => undefined,
): Prober {
  const results = new Map<string, ProbeResult>();
  const underWay = new Map<string, Promise<ProbeResult>>();
  const schedule = createSchedule();
  const budget = createBudget();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  function probe(model: Model): Promise<ProbeResult> {
    const last = results.get(model.id);
    const joined = underWay.get(model.id);
    if (joined) return joined;
    const isAllowed = budget.spend(model, performance.now());
    // Whoever spent the budget has left a result.
    if (last && !isAllowed) return Promise.resolve(last);
    const look = lookNow(model).finally(() => underWay.delete(model.id));
    underWay.set(model.id, look);
    return look;
  }

  async function lookNow(model: Model): Promise<ProbeResult> {
    const look = await lookAt(model, { isOver: () => stopped });
    const before = results.get(model.id);
    // Cut short by the end of the controller: it says nothing.
    if (stopped && look.failure === undefined && before) return before;
    const result = probeResult(before, now(), outcomeOf(model, look));
    results.set(model.id, result);
    onLook(model, look);
    return result;
  }

  function wake(): void {
    for (const model of schedule.due(probedModels(policy()), performance.now())) void probe(model);
    const untilNext = schedule.nextAt() - performance.now();
    timer = setTimeout(wake, Math.min(Math.max(untilNext, 1), longestSleepMs));
  }
  wake();

  return {
    results: () => results,
    probe,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await Promise.all(underWay.values());
    },
  };
}

/** Targets of routes that say where they are. */
function probedModels({ routes, models }: Policy): Model[] {
  const targets = new Set(Object.values(routes).flatMap(route => route.targets));
  return Object.values(models).filter(model => model.endpoint !== undefined && targets.has(model.id));
}

function outcomeOf({ probing, probes }: Model, look: Look): Parameters<typeof probeResult>[2] {
  const requests = probes.length > 0 ? look.outcomes.length : 0;
  return {
    ...(look.failure === undefined ? { durationMs: look.durationMs } : { failure: look.failure }),
    ...(look.score !== undefined && { score: look.score }),
    vouchesMs: 3 * probing.everyMs + probing.timeoutMs,
    counts: { requests, bad: requests === 0 ? 0 : look.outcomes.filter(isFailure).length },
  };
}

/** A look costs so many requests; those of the last minute count. */
function createBudget() {
  const spent = new Map<string, readonly { readonly at: number; readonly requests: number }[]>();
  // Turns a minute apart may come a little early, and a late one must not cost the next.
  const windowMs = 59_000;
  return {
    /** False when nothing may be spent, and nothing is then. */
    spend(model: Model, now: number): boolean {
      const { maxPerMinute } = model.probing;
      if (maxPerMinute === undefined) return true;
      const lately = (spent.get(model.id) ?? []).filter(({ at }) => now - at < windowMs);
      const requests = goldenRequestsOf(model).length;
      const isAllowed = lately.reduce((sum, each) => sum + each.requests, requests) <= maxPerMinute;
      spent.set(model.id, isAllowed ? [...lately, { at: now, requests }] : lately);
      return isAllowed;
    },
  };
}
