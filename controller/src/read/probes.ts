import type { Model, Policy, Probe } from '@relaycore/rules';
import { messageOf } from '../errors.ts';
import { atPointer } from '../json-pointer.ts';
import type { ProbeResult } from '../types.ts';
import { probeResult } from './probe-result.ts';

/** Requests of the controller's own, sent directly to every target of a route on a schedule. */
export interface Prober {
  results(): ReadonlyMap<string, ProbeResult>;
  /** Probes one model now. */
  probe(model: Model): Promise<ProbeResult>;
  stop(): Promise<void>;
}

/** A target without probes of its own must at least answer. */
const reachable: Probe = { name: 'answers at all', method: 'GET', path: '/', expect: { status: 200 } };

export function startProber(policy: () => Policy, now: () => number): Prober {
  const results = new Map<string, ProbeResult>();
  let pending: Promise<unknown> = Promise.resolve();
  let underWay = false;

  async function probe(model: Model): Promise<ProbeResult> {
    const failure = await firstFailure(model, policy().probes.timeoutMs);
    const at = now();
    const before = results.get(model.id);
    const { reason, durationMs } = failure;
    const result = probeResult(before, at, reason === undefined ? { durationMs } : { failure: reason });
    results.set(model.id, result);
    return result;
  }

  // Rounds do not overlap, else an older answer that came late would replace a newer one.
  const round = () => {
    if (underWay) return;
    underWay = true;
    pending = Promise.all(probedModels(policy()).map(probe)).finally(() => {
      underWay = false;
    });
  };
  round();
  const timer = setInterval(round, policy().probes.intervalMs);
  return {
    results: () => results,
    probe,
    async stop() {
      clearInterval(timer);
      await pending;
    },
  };
}

/** Targets of routes that say where they are. */
function probedModels({ routes, models }: Policy): Model[] {
  const targets = new Set(Object.values(routes).flatMap(route => route.targets));
  return Object.values(models).filter(model => model.endpoint !== undefined && targets.has(model.id));
}

async function firstFailure(
  model: Model,
  timeoutMs: number,
): Promise<{ reason?: string; durationMs: number }> {
  const begun = performance.now();
  for (const probe of model.probes.length > 0 ? model.probes : [reachable]) {
    const reason = await failureOf(model, probe, timeoutMs);
    if (reason !== undefined)
      return { reason: `${probe.name}: ${reason}`, durationMs: performance.now() - begun };
  }
  return { durationMs: performance.now() - begun };
}

async function failureOf(model: Model, probe: Probe, timeoutMs: number): Promise<string | undefined> {
  try {
    const response = await fetch(`${model.endpoint}${probe.path}`, {
      method: probe.method,
      signal: AbortSignal.timeout(timeoutMs),
      ...(probe.body !== undefined && {
        body: JSON.stringify(probe.body),
        headers: { 'content-type': 'application/json' },
      }),
    });
    const text = await response.text();
    if (probe === reachable) return response.status < 500 ? undefined : `answered ${response.status}`;
    if (response.status !== probe.expect.status)
      return `answered ${response.status} instead of ${probe.expect.status}`;
    return probe.expect.json ? mismatch(text, probe.expect.json) : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function mismatch(
  text: string,
  { pointer, equals }: NonNullable<Probe['expect']['json']>,
): string | undefined {
  const found = atPointer(JSON.parse(text), pointer);
  if (JSON.stringify(found) === JSON.stringify(equals)) return undefined;
  return `${pointer || 'the answer'} is ${JSON.stringify(found)} instead of ${JSON.stringify(equals)}`;
}
